// Runs the CUDA kernels on the CPU (emulator.h) and compares them with the definitions in
// native/src/*_naive.cpp. CudaEmulatorTest builds and drives it: it writes variants.inc (the kernels,
// once per list of -D options) and, to standard input, the cases (cases.h). Every launch list runs
// twice, with the two extremes of emulator::Mode; the results must be the same bits, and those of the
// definition up to rounding. Prints one line per case; the exit status is 1 if any failed.
#include "cases.h"

struct Kernel {
  std::size_t parameters;
  std::function<void(const void*)> run;
};
static std::map<std::string, Kernel> kernels;

template <class Parameters>
static Kernel kernel(void (*entry)(Parameters)) {
  return {sizeof(Parameters), [entry](const void* parameters) {
            Parameters copy;
            std::memcpy(&copy, parameters, sizeof copy);
            entry(copy);
          }};
}

#include "variants.inc"

static void run(const Case& c, const Memory& memory, emulator::Mode mode) {
  for (const Launch& l : c.launches) {
    const auto found = kernels.find(l.kernel);
    if (found == kernels.end() || found->second.parameters != 8 * l.fields.size()) {
      std::cerr << "no kernel " << l.kernel << " with " << l.fields.size() << " fields\n";
      std::exit(2);
    }
    const std::vector<uint64_t> fields =
        parameters(l, [&](int id) { return reinterpret_cast<uint64_t>(memory.at[id]); });
    emulator::launch(mode, l.grid, l.block, l.shared, [&] { found->second.run(fields.data()); });
  }
}

int main() {
  register_kernels();
  std::string line;
  int failures = 0;
  int number = 0;
  while (std::getline(std::cin, line)) {
    Case c = parse(line);
    fill_tensors(c);
    define(c);
    Memory first(c);
    Memory second(c);
    run(c, first, emulator::Mode::ASCENDING_LATE);
    run(c, second, emulator::Mode::DESCENDING_EARLY);
    const bool good = judge(c, first, second);
    std::cout << (good ? "ok " : "FAILED ") << number++ << std::endl;
    failures += !good;
  }
  return failures > 0;
}
