package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.autocircuit.kernels.cuda.CudaDevice;
import io.autocircuit.kernels.cuda.CudaException;
import io.autocircuit.kernels.cuda.CudaStatus;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

class DeviceChoiceTest {
  private static final CudaStatus NONE =
      new CudaStatus(List.of(), "no NVIDIA driver (libcuda.so.1 not found); install it");
  private static final CudaStatus SECOND =
      new CudaStatus(List.of(new CudaDevice(1, "NVIDIA H100", 9, 0, 80L << 30, 132, 1, 1)), null);

  private final List<String> done = new ArrayList<>();

  private DeviceChoice choose(String request, CudaStatus status) {
    return choose(request, status, false);
  }

  private DeviceChoice choose(String request, CudaStatus status, boolean metal) {
    return DeviceChoice.of(
        DeviceRequest.parse(request),
        () -> {
          done.add("probed");
          return status;
        },
        () -> done.add("forgone"),
        () -> {
          done.add("metal");
          return metal;
        });
  }

  @Test
  void requests() {
    assertEquals(DeviceRequest.AUTO, DeviceRequest.parse("Auto"));
    assertEquals(new DeviceRequest(Device.CPU), DeviceRequest.parse("CPU"));
    assertEquals(Device.cuda(0), DeviceRequest.parse("cuda").device());
    assertEquals(Device.cuda(17), DeviceRequest.parse("CUDA:17").device());
    for (String request : List.of("auto", "cpu", "cuda:0", "cuda:3", "mps")) {
      assertEquals(request, DeviceRequest.parse(request).toString());
    }
    for (String wrong : List.of("", "gpu", "cuda:", "cuda:-1", "cuda:1234", "cuda:x", "cpu:0")) {
      assertEquals(
          "device=\"" + wrong + "\" is unknown; use auto, cpu, cuda, cuda:N or mps",
          assertThrows(IllegalArgumentException.class, () -> DeviceRequest.parse(wrong))
              .getMessage());
    }
  }

  @Test
  void aMacsGraphicsProcessorIsTakenWhereItIsAskedFor() {
    assertEquals(Device.MPS, choose("mps", NONE, true).device());
    assertEquals(List.of("forgone", "metal"), done);
    assertEquals(Device.CPU, choose("auto", NONE, true).device());
    assertEquals(
        "device=mps is not here: it is the graphics processor of a Mac; use cpu",
        assertThrows(IllegalArgumentException.class, () -> choose("mps", NONE, false))
            .getMessage());
    assertEquals("mps", Device.MPS.toString());
    assertEquals("libtorch", KernelsProvider.choose(Device.MPS).kernels().name());
  }

  @Test
  void aMacsGraphicsProcessorRefusesFloat64() {
    Device.MPS.require(ScalarType.Float);
    assertEquals(
        "device=mps has no float64; use float32 there, or device=cpu",
        assertThrows(IllegalArgumentException.class, () -> Device.MPS.require(ScalarType.Double))
            .getMessage());
    assertEquals(
        new Placement(ScalarType.Double, Device.CPU),
        new Placement(ScalarType.Float, Device.MPS).exact());
    assertEquals(
        new Placement(ScalarType.Double, Device.META),
        new Placement(ScalarType.Float, Device.META).exact());
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
