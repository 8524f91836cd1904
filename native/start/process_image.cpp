// Another program in place of this one, in the same process. A library of its own, without JavaCPP
// and C++'s runtime: it is loaded by a virtual machine that lives for some tens of milliseconds.
#include <jni.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace {
// A copy that ends with a zero; null if there is no memory. Nobody frees it: the process goes.
char* text(JNIEnv* env, jbyteArray bytes) {
  const jsize length = env->GetArrayLength(bytes);
  char* copy = static_cast<char*>(calloc(static_cast<size_t>(length) + 1, 1));
  if (copy != nullptr) {
    env->GetByteArrayRegion(bytes, 0, length, reinterpret_cast<jbyte*>(copy));
  }
  return copy;
}
}  // namespace

// int io.autocircuit.cli.internal.ProcessImage.replace(byte[] program, byte[][] words)
extern "C" JNIEXPORT jint JNICALL Java_io_autocircuit_cli_internal_ProcessImage_replace(
    JNIEnv* env, jclass, jbyteArray program, jobjectArray words) {
  const jsize count = env->GetArrayLength(words);
  char* path = text(env, program);
  char** list = static_cast<char**>(calloc(static_cast<size_t>(count) + 1, sizeof(char*)));
  if (path == nullptr || list == nullptr) return ENOMEM;
  for (jsize i = 0; i < count; i++) {
    jobject word = env->GetObjectArrayElement(words, i);
    list[i] = text(env, static_cast<jbyteArray>(word));
    if (list[i] == nullptr) return ENOMEM;
    env->DeleteLocalRef(word);
  }
  execv(path, list);
  return errno;
}
