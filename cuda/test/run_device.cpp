// Runs the CUDA kernels on a device without Java, in three ways:
//
//   run_device FOLDER check < FOLDER/cases.txt     the cases of cases.h, twice each: the same bits,
//                                                  those of the definition up to rounding, and
//                                                  nothing written beside the tensors
//   run_device FOLDER time [REPEATS [MEBIBYTES]] < FOLDER/times.txt
//                                                  times beside the bandwidth of a copy, as JSON
//   run_device FOLDER architecture                 prints the device's architecture, such as sm_90
//
// FOLDER/sm_XX holds the kernels that cuda/cubins.sh compiled for the device's architecture. Prints
// one line per case; the exit status is 0 if all are right, 1 if one is wrong, 2 if there is no device
// or nothing compiled for it, 3 if the driver refuses a call.
#include "cases.h"
#include "driver.h"

#include <algorithm>
#include <fstream>

static std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

class Device {
 public:
  explicit Device(const std::string& folder) : folder_(folder) {
    driver::check("cuInit", 0u);
    int device = 0;
    driver::check("cuDeviceGet", &device, 0);
    char text[256] = {};
    driver::check("cuDeviceGetName", text, 256, device);
    name = text;
    int major = 0, minor = 0;
    driver::check("cuDeviceGetAttribute", &major, driver::kMajor, device);
    driver::check("cuDeviceGetAttribute", &minor, driver::kMinor, device);
    driver::check("cuDeviceGetAttribute", &multiprocessors, driver::kMultiprocessors, device);
    architecture = "sm_" + std::to_string(major) + std::to_string(minor);
    void* context = nullptr;
    driver::check("cuDevicePrimaryCtxRetain", &context, device);
    driver::check("cuCtxSetCurrent", context);
  }

  std::string name, architecture;
  int multiprocessors = 0;

  static driver::Address allocate(std::size_t bytes) {
    driver::Address address = 0;
    driver::check("cuMemAlloc_v2", &address, bytes);
    return address;
  }
  static void release(driver::Address address) { driver::check("cuMemFree_v2", address); }
  static void write(driver::Address to, const void* from, std::size_t bytes) {
    driver::check("cuMemcpyHtoD_v2", to, from, bytes);
  }
  static void read(void* to, driver::Address from, std::size_t bytes) {
    driver::check("cuMemcpyDtoH_v2", to, from, bytes);
  }
  static void synchronize() { driver::check("cuCtxSynchronize"); }

  // Kernel names are vN/entry.
  void launch(const Launch& l, const std::vector<uint64_t>& fields) {
    void*& function = functions_[l.kernel];
    if (function == nullptr) {
      const std::size_t slash = l.kernel.find('/');
      const std::string file =
          folder_ + "/" + architecture + "/" + l.kernel.substr(0, slash) + ".cubin";
      if (!std::ifstream(file).good()) {
        std::cerr << "run_device: missing=" << file << "; run cuda/cubins.sh " << folder_ << " "
                  << architecture << "\n";
        std::exit(2);
      }
      void* module = nullptr;
      driver::check("cuModuleLoad", &module, file.c_str());
      driver::check("cuModuleGetFunction", &function, module, l.kernel.c_str() + slash + 1);
    }
    if (l.shared > 48 << 10) {
      driver::check("cuFuncSetAttribute", function, driver::kMaxDynamicSharedBytes, l.shared);
    }
    void* parameters[] = {const_cast<uint64_t*>(fields.data())};
    driver::check("cuLaunchKernel", function, l.grid.x, l.grid.y, l.grid.z, l.block.x, l.block.y,
                  1u, static_cast<unsigned int>(l.shared), static_cast<void*>(nullptr),
                  static_cast<void**>(parameters), static_cast<void**>(nullptr));
  }

 private:
  std::string folder_;
  std::map<std::string, void*> functions_;
};

constexpr std::size_t kGuard = 256;  // bytes before and after each tensor, to be left alone

// Runs a case on the device, from and to the host's memory. Whether the guards were left alone.
static bool run(Device& device, const Case& c, const Memory& memory) {
  driver::Address at[IDS] = {};
  std::size_t size[IDS] = {};
  std::vector<unsigned char> buffer;
  for (int id = 1; id < IDS; ++id) {
    if (memory.at[id] == nullptr) continue;
    size[id] = id == SCRATCH ? c.scratch : c.tensor[id].elements * memory.bytes;
    buffer.assign(size[id] + 2 * kGuard, 0xff);
    std::memcpy(&buffer[kGuard], memory.at[id], size[id]);
    at[id] = Device::allocate(buffer.size());
    Device::write(at[id], buffer.data(), buffer.size());
  }
  for (const Launch& l : c.launches) {
    device.launch(l, parameters(l, [&](int id) { return at[id] + kGuard; }));
  }
  Device::synchronize();
  bool good = true;
  for (int id = 1; id < IDS; ++id) {
    if (at[id] == 0) continue;
    buffer.resize(size[id] + 2 * kGuard);
    Device::read(buffer.data(), at[id], buffer.size());
    std::memcpy(memory.at[id], &buffer[kGuard], size[id]);
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (buffer[i] != 0xff || buffer[buffer.size() - 1 - i] != 0xff) {
        std::cout << "tensor " << id << ": written outside; ";
        good = false;
        break;
      }
    }
    Device::release(at[id]);
  }
  return good;
}

static int check_all(Device& device) {
  std::string line;
  int failures = 0;
  int number = 0;
  while (std::getline(std::cin, line)) {
    Case c = parse(line);
    fill_tensors(c);
    define(c);
    Memory first(c);
    Memory second(c);
    bool good = run(device, c, first);
    good = run(device, c, second) && good;
    good = judge(c, first, second) && good;
    std::cout << (good ? "ok " : "FAILED ") << number++ << " " << c.kind
              << (c.bfloat16 ? " bfloat16" : " float32") << " B=" << c.B << " T=" << c.T
              << " K=" << c.K << " S=" << c.S << " D=" << c.D << std::endl;
    failures += !good;
  }
  std::cout << number << " cases, " << failures << " failed, on " << device.name << " ("
            << device.architecture << ")" << std::endl;
  if (number == 0) std::cerr << "run_device: no cases on standard input\n";
  return failures > 0 || number == 0;
}

// Milliseconds of each repetition by the device's own clock, ascending, after three that warm up.
template <class Work>
static std::vector<double> times(int repeats, Work work) {
  void* begin = nullptr;
  void* end = nullptr;
  driver::check("cuEventCreate", &begin, 0u);
  driver::check("cuEventCreate", &end, 0u);
  std::vector<double> result;
  for (int i = -3; i < repeats; ++i) {
    driver::check("cuEventRecord", begin, static_cast<void*>(nullptr));
    work();
    driver::check("cuEventRecord", end, static_cast<void*>(nullptr));
    driver::check("cuEventSynchronize", end);
    float milliseconds = 0;
    driver::check("cuEventElapsedTime", &milliseconds, begin, end);
    if (i >= 0) result.push_back(milliseconds);
  }
  driver::check("cuEventDestroy_v2", begin);
  driver::check("cuEventDestroy_v2", end);
  std::sort(result.begin(), result.end());
  return result;
}

// Device memory filled with random numbers in (0.5, 1.5), the same block again and again.
static driver::Address filled(std::size_t bytes, bool bfloat16) {
  static std::vector<float> numbers;
  static std::vector<unsigned short> halves;
  if (numbers.empty()) {
    std::mt19937 random(7);
    numbers.resize((1 << 20) + 77);
    for (float& x : numbers) x = 0.5f + static_cast<float>(random() >> 8) / (1 << 24);
    for (float x : numbers) halves.push_back(Bfloat16::store(x));
  }
  const std::size_t block = numbers.size() * (bfloat16 ? 2 : 4);
  const void* from = bfloat16 ? static_cast<const void*>(halves.data()) : numbers.data();
  const driver::Address address = Device::allocate(bytes);
  for (std::size_t at = 0; at < bytes; at += block) {
    Device::write(address + at, from, std::min(block, bytes - at));
  }
  return address;
}

static double copy_rate(int repeats, std::size_t bytes) {  // bytes read and written in a second
  const driver::Address from = filled(bytes, false);
  const driver::Address to = filled(bytes, false);
  const double fastest =
      times(repeats, [&] { driver::check("cuMemcpyDtoD_v2", to, from, bytes); })[0];
  Device::release(from);
  Device::release(to);
  return 2.0 * static_cast<double>(bytes) / fastest * 1e3;
}

static int time_all(Device& device, int repeats, std::size_t copied) {
  const double rate = copy_rate(repeats, copied);
  std::cout << "{\"device\": " << quoted(device.name)
            << ", \"architecture\": " << quoted(device.architecture)
            << ", \"multiprocessors\": " << device.multiprocessors << ", \"repeats\": " << repeats
            << ", \"copy_gb_per_s\": " << rate / 1e9 << ", \"times\": [";
  std::string line;
  bool more = false;
  while (std::getline(std::cin, line)) {
    std::istringstream in(line);
    double bytes = 0, operations = 0;
    in >> bytes >> operations;
    std::string rest;
    std::getline(in >> std::ws, rest);
    const Case c = parse(rest);
    driver::Address at[IDS] = {};
    for (int id = 1; id < IDS; ++id) {
      const std::size_t size =
          id == SCRATCH ? c.scratch : c.tensor[id].elements * (c.bfloat16 ? 2 : 4);
      if (size > 0) at[id] = filled(size, c.bfloat16);
    }
    std::vector<std::vector<uint64_t>> fields;
    for (const Launch& l : c.launches) {
      fields.push_back(parameters(l, [&](int id) { return at[id]; }));
    }
    const std::vector<double> ms = times(repeats, [&] {
      for (std::size_t i = 0; i < fields.size(); ++i) device.launch(c.launches[i], fields[i]);
    });
    for (driver::Address address : at) {
      if (address != 0) Device::release(address);
    }
    const double median = ms[ms.size() / 2];
    std::cout << (more ? "," : "") << "\n  {\"kernel\": " << quoted(c.kind)
              << ", \"type\": " << quoted(c.bfloat16 ? "bfloat16" : "float32") << ", \"B\": " << c.B
              << ", \"T\": " << c.T << ", \"K\": " << c.K << ", \"S\": " << c.S
              << ", \"D\": " << c.D << ", \"launches\": " << fields.size() << ", \"ms\": " << median
              << ", \"spread\": " << (ms.back() - ms[0]) / median
              << ", \"gb_per_s\": " << bytes / median / 1e6
              << ", \"tflop_per_s\": " << operations / median / 1e9
              << ", \"share_of_copy\": " << bytes / median * 1e3 / rate << "}" << std::flush;
    more = true;
  }
  std::cout << "\n]}" << std::endl;
  return more ? 0 : 1;
}

int main(int count, char** words) {
  const std::string what = count > 2 ? words[2] : "";
  if (what != "check" && what != "time" && what != "architecture") {
    std::cerr << "run_device: the arguments are FOLDER and check, time or architecture\n";
    return 2;
  }
  Device device(words[1]);
  if (what == "architecture") {
    std::cout << device.architecture << std::endl;
    return 0;
  }
  if (what == "check") return check_all(device);
  const int repeats = count > 3 ? std::atoi(words[3]) : 20;
  const std::size_t mebibytes = count > 4 ? std::atoi(words[4]) : 1024;
  if (repeats < 1 || mebibytes < 1) {
    std::cerr << "run_device: REPEATS and MEBIBYTES are 1 or more\n";
    return 2;
  }
  return time_all(device, repeats, mebibytes << 20);
}
