// Threads that share some work. Plain declarations: this header is included by translation units
// compiled with different flags, so it must not contain code.
#pragma once

namespace autocircuit {

// Calls body(work, 0) on this thread, and body(work, m), 0 < m < members, on as many other threads of
// the process as come before this one has finished. Returns when all of them have. Nobody waits for a
// thread that the system has not run in time, so the body takes what is to be done piece by piece
// (see Parts), and any member alone must be able to do all of it.
void run_together(int members, void (*body)(void* work, int member), void* work);

}  // namespace autocircuit
