// Repeats calls of the kernels that Java's tests make (NativeSanitizersTest writes them), on tensors of
// exactly the extent that a call may touch, for builds with sanitizers. A line of standard input is a
// call, words separated by spaces:
//
//   stem, number of fields, the fields with the lists behind them (io.autocircuit.kernels.CallLayout)
//   number of tensors, then for each: field, elements, field of the same tensor or its own, sparse, type
//
// Every call runs with each instruction set, with one thread and with three, and with the argument
// "beside" at the same time as another call with three; what they leave in memory must be the same
// bits. Prints "ok N" for N calls.
//
// "write FILE" puts what the baseline leaves in memory into a file. "expect FILE" compares it with the
// file of another build, for another processor: up to rounding, which is all that may differ.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "activation.h"
#include "attention.h"
#include "head_outputs.h"
#include "instruction_set.h"
#include "matrix_product.h"
#include "patch_backward.h"
#include "patch_forward.h"
#include "patch_project.h"
#include "patch_project_backward.h"
#include "tolerance.h"

namespace {

using autocircuit::Int;

using Function = void (*)(int32_t set, int32_t threads, const Int* call);

template <class Call, void (*Kernel)(int32_t, int32_t, const Call*)>
void pass(int32_t set, int32_t threads, const Int* call) {
  Kernel(set, threads, reinterpret_cast<const Call*>(call));
}

const std::map<std::string, Function> kernels = {
    {"patch_forward", pass<autocircuit::PatchForwardCall<void>, patch_forward>},
    {"patch_backward", pass<autocircuit::PatchBackwardCall<void>, patch_backward>},
    {"patch_project", pass<autocircuit::PatchProjectCall<void>, patch_project>},
    {"patch_project_backward",
     pass<autocircuit::PatchProjectBackwardCall<void>, patch_project_backward>},
    {"head_outputs", pass<autocircuit::HeadOutputsCall<void>, head_outputs>},
    {"attention", pass<autocircuit::AttentionCall<void>, attention>},
    {"attention_backward", pass<autocircuit::AttentionCall<void>, attention_backward>},
    {"matrix_product", pass<autocircuit::MatrixProductCall<void>, matrix_product>},
    {"activation", pass<autocircuit::ActivationCall<void>, activation>},
    {"activation_backward", pass<autocircuit::ActivationCall<void>, activation_backward>},
};

struct Tensor {
  std::size_t field, elements, owner;
  bool sparse;
  Int type;  // ElementType

  std::size_t bytes() const {
    return type == autocircuit::ELEMENT_FLOAT64 ? 8 : type == autocircuit::ELEMENT_FLOAT32 ? 4 : 2;
  }
};

struct Call {
  std::string stem;
  std::vector<Int> words;
  std::vector<Tensor> tensors;
};

Call parse(const std::string& line) {
  std::istringstream in(line);
  Call call;
  std::size_t words = 0;
  std::size_t tensors = 0;
  in >> call.stem >> words;
  call.words.resize(words);
  for (Int& word : call.words) in >> word;
  in >> tensors;
  call.tensors.resize(tensors);
  for (Tensor& t : call.tensors) in >> t.field >> t.elements >> t.owner >> t.sparse >> t.type;
  if (!in || kernels.count(call.stem) == 0) {
    std::cerr << "cannot read: " << line << "\n";
    std::exit(2);
  }
  return call;
}

// A call and memory of its own, an allocation for each tensor.
struct Copy {
  std::vector<Int> words;
  std::vector<std::unique_ptr<char[]>> memory;

  explicit Copy(const Call& call) : words(call.words), memory(call.words.size()) {
    std::mt19937 random(static_cast<unsigned>(call.tensors.size() + call.words.size()));
    for (const Tensor& t : call.tensors) {
      if (t.owner == t.field) {
        memory[t.field].reset(new char[t.elements * t.bytes()]);
        fill(t, random);
      }
      words[t.field] = reinterpret_cast<Int>(memory[t.owner].get());
    }
    words.shrink_to_fit();
  }

  // Numbers between -1 and 1; in sparse tensors, runs of zeros too.
  void fill(const Tensor& t, std::mt19937& random) {
    for (std::size_t i = 0; i < t.elements; ++i) {
      const double x = static_cast<double>(random() % 2001) / 1000 - 1;
      const double y = t.sparse && (i / 7 % 3 == 0 || random() % 2 == 0) ? 0 : x;
      const float f = static_cast<float>(y);
      char* to = memory[t.field].get();
      const uint16_t half = static_cast<uint16_t>(random() & 0xbfff);  // finite, of either type
      if (t.type == autocircuit::ELEMENT_FLOAT64) {
        std::memcpy(to + 8 * i, &y, 8);
      } else if (t.type == autocircuit::ELEMENT_FLOAT32) {
        std::memcpy(to + 4 * i, &f, 4);
      } else {
        std::memcpy(to + 2 * i, &half, 2);
      }
    }
  }
};

void check(const Call& call, int32_t set, const Copy& one, const Copy& more) {
  for (const Tensor& t : call.tensors) {
    if (t.owner == t.field && std::memcmp(one.memory[t.field].get(), more.memory[t.field].get(),
                                          t.elements * t.bytes()) != 0) {
      std::cout << call.stem << " set=" << set << ": field " << t.field
                << " has other bits with more threads\n";
      std::exit(1);
    }
  }
}

// The terms of the longest sums, about.
constexpr double kTerms = 400;

template <class Element>
void compare(const Call& call, const Tensor& t, const char* expected, const char* actual,
             double epsilon) {
  std::vector<Element> e(t.elements), a(t.elements);
  std::memcpy(e.data(), expected, t.elements * t.bytes());
  std::memcpy(a.data(), actual, t.elements * t.bytes());
  double largest = 1;
  for (const Element x : e) largest = std::max(largest, std::fabs(static_cast<double>(x)));
  for (std::size_t i = 0; i < t.elements; ++i) {
    if (!(std::fabs(static_cast<double>(e[i]) - a[i]) <= tolerance(epsilon, kTerms) * largest)) {
      std::cout << call.stem << ": field " << t.field << "[" << i << "] = " << a[i] << ", expected "
                << e[i] << " (largest " << largest << ")\n";
      std::exit(1);
    }
  }
}

void expect(const Call& call, const Copy& copy, std::istream& file) {
  for (const Tensor& t : call.tensors) {
    if (t.owner != t.field) continue;
    std::vector<char> expected(t.elements * t.bytes());
    if (!file.read(expected.data(), static_cast<std::streamsize>(expected.size()))) {
      std::cout << call.stem << ": the file is too short\n";
      std::exit(1);
    }
    const char* actual = copy.memory[t.field].get();
    if (t.type == autocircuit::ELEMENT_FLOAT64) {
      compare<double>(call, t, expected.data(), actual, kEpsilon64);
    } else if (t.type == autocircuit::ELEMENT_FLOAT32) {
      compare<float>(call, t, expected.data(), actual, kEpsilon32);
    } else if (std::memcmp(expected.data(), actual, expected.size()) != 0) {
      std::cout << call.stem << ": field " << t.field << ", weights of 16 bits, was written\n";
      std::exit(1);
    }
  }
}

void write(const Call& call, const Copy& copy, std::ostream& file) {
  for (const Tensor& t : call.tensors) {
    if (t.owner != t.field) continue;
    file.write(copy.memory[t.field].get(), static_cast<std::streamsize>(t.elements * t.bytes()));
  }
}

}  // namespace

int main(int arguments, char** argument) {
  const std::string mode = arguments > 1 ? argument[1] : "";
  const char* name = arguments > 2 ? argument[2] : "";
  std::ofstream written;
  std::ifstream expected;
  if (mode == "write") written.open(name, std::ios::binary);
  if (mode == "expect") expected.open(name, std::ios::binary);
  if (written.fail() || expected.fail()) {
    std::cerr << "cannot open: " << name << "\n";
    return 2;
  }
  std::string line;
  int64_t calls = 0;
  while (std::getline(std::cin, line)) {
    const Call call = parse(line);
    const Function kernel = kernels.at(call.stem);
    for (int32_t set = 0; set <= INSTRUCTION_SET_AVX512; ++set) {
      if (!instruction_set_available(set)) continue;
      Copy one(call);
      Copy more(call);
      kernel(set, 1, one.words.data());
      if (mode == "beside") {
        Copy beside(call);
        std::thread other([&] { kernel(set, 3, beside.words.data()); });
        kernel(set, 3, more.words.data());
        other.join();
        check(call, set, one, beside);
      } else {
        kernel(set, 3, more.words.data());
      }
      check(call, set, one, more);
      if (set == INSTRUCTION_SET_BASELINE && mode == "write") write(call, one, written);
      if (set == INSTRUCTION_SET_BASELINE && mode == "expect") expect(call, one, expected);
    }
    ++calls;
  }
  if (!written.flush()) {
    std::cerr << "cannot write: " << name << "\n";
    return 2;
  }
  std::cout << "ok " << calls << "\n";
  return 0;
}
