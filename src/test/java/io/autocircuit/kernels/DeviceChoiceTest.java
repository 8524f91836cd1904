package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.autocircuit.kernels.cuda.CudaDevice;
import io.autocircuit.kernels.cuda.CudaException;
import io.autocircuit.kernels.cuda.CudaStatus;
import io.autocircuit.tensor.Device;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class DeviceChoiceTest {
  private static final CudaStatus NONE =
      new CudaStatus(List.of(), "no NVIDIA driver (libcuda.so.1 not found); install it");
  private static final CudaStatus SECOND =
      new CudaStatus(List.of(new CudaDevice(1, "NVIDIA H100", 9, 0, 80L << 30, 132, 1, 1)), null);

  private final List<String> done = new ArrayList<>();

  private DeviceChoice choose(String request, CudaStatus status) {
    return DeviceChoice.of(
        DeviceRequest.parse(request),
        () -> {
          done.add("probed");
          return status;
        },
        () -> done.add("forgone"));
  }

  @Test
  void requests() {
    assertEquals(DeviceRequest.AUTO, DeviceRequest.parse("Auto"));
    assertEquals(new DeviceRequest(Device.CPU), DeviceRequest.parse("CPU"));
    assertEquals(Device.cuda(0), DeviceRequest.parse("cuda").device());
    assertEquals(Device.cuda(17), DeviceRequest.parse("CUDA:17").device());
    for (String request : List.of("auto", "cpu", "cuda:0", "cuda:3")) {
      assertEquals(request, DeviceRequest.parse(request).toString());
    }
    for (String wrong : List.of("", "gpu", "cuda:", "cuda:-1", "cuda:1234", "cuda:x", "cpu:0")) {
      assertEquals(
          "device=\"" + wrong + "\" is unknown; use auto, cpu, cuda or cuda:N",
          assertThrows(IllegalArgumentException.class, () -> DeviceRequest.parse(wrong))
              .getMessage());
    }
  }

  @Test
  void autoTakesTheFirstDeviceThereIs() {
    assertEquals(
        "cuda:1 (NVIDIA H100, compute capability 9.0, 80 GiB)", choose("auto", SECOND).toString());
    assertEquals(List.of("probed"), done);
  }

  @Test
  void autoSaysWhyItTakesTheProcessor() {
    assertEquals("no NVIDIA driver (libcuda.so.1 not found)", choose("auto", NONE).reason());
    assertEquals("cpu", choose("auto", NONE).toString(), "nobody wonders");
    done.subList(2, done.size()).clear();
    assertEquals(List.of("probed", "forgone"), done);
  }

  @Test
  void theProcessorNeedsNoProbing() {
    assertEquals("cpu", choose("cpu", SECOND).toString());
    assertEquals(List.of("forgone"), done);
  }

  @Test
  void aDeviceThatCannotBeUsedIsAnError() {
    assertEquals(
        "device=cuda:0 cannot be used: no NVIDIA driver (libcuda.so.1 not found); install it",
        assertThrows(CudaException.class, () -> choose("cuda", NONE)).getMessage());
    assertEquals(
        "device=cuda:0 is not among those that can be used, cuda:1 (NVIDIA H100, compute capability"
            + " 9.0, 80 GiB); choose one of them",
        assertThrows(CudaException.class, () -> choose("cuda:0", SECOND)).getMessage());
    assertEquals(Device.cuda(1), choose("cuda:1", SECOND).device());
  }

  @Test
  void devices() {
    assertEquals("cuda:2", Device.cuda(2).toString());
    assertThrows(IllegalArgumentException.class, () -> Device.cuda(-1));
    assertThrows(IllegalArgumentException.class, () -> new Device(Device.Kind.CPU, 1));
  }
}
