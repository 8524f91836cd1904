package io.autocircuit.kernels;

import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Kernels that compute nothing and keep each call as a line for {@code native/test/replay.cpp}. A
 * line holds sizes and layouts, not the tensors' content.
 */
final class CallRecorder implements Kernels {
  private final List<String> lines = new ArrayList<>();

  /** A call for each line. */
  List<String> lines() {
    return List.copyOf(lines);
  }

  @Override
  public String name() {
    return "recorder";
  }

  @Override
  public void patchForward(PatchForward args) {
    PatchForwardArguments a = PatchForwardArguments.of(args);
    add("patch_forward", CallLayout.PATCH_FORWARD, a, a.call());
  }

  @Override
  public void patchBackward(PatchBackward args) {
    PatchBackwardArguments a = PatchBackwardArguments.of(args);
    add("patch_backward", CallLayout.PATCH_BACKWARD, a, a.call());
  }

  @Override
  public void patchProject(PatchProject args) {
    PatchProjectArguments a = PatchProjectArguments.of(args);
    add("patch_project", CallLayout.PATCH_PROJECT, a, a.call());
  }

  @Override
  public void patchProjectBackward(PatchProjectBackward args) {
    PatchProjectBackwardArguments a = PatchProjectBackwardArguments.of(args);
    add("patch_project_backward", CallLayout.PATCH_PROJECT_BACKWARD, a, a.call());
  }

  @Override
  public void headOutputs(HeadOutputs args) {
    HeadOutputsArguments a = HeadOutputsArguments.of(args);
    add("head_outputs", CallLayout.HEAD_OUTPUTS, a, a.call());
  }

  @Override
  public void attention(Attention args) {
    AttentionArguments a = AttentionArguments.of(args);
    add("attention", CallLayout.ATTENTION, a, a.call());
  }

  @Override
  public void attentionBackward(AttentionBackward args) {
    AttentionArguments a = AttentionArguments.of(args);
    add("attention_backward", CallLayout.ATTENTION, a, a.call());
  }

  /** A product of matrices. */
  void matrixProduct(MatrixProductArguments a) {
    add("matrix_product", CallLayout.MATRIX_PRODUCT, a, a.call());
  }

  private void add(String stem, CallLayout layout, Record arguments, long[] call) {
    Map<Long, Long> extents = new HashMap<>();
    extents(arguments, extents);
    Map<Long, Integer> owners = new HashMap<>();
    List<String> tensors = new ArrayList<>();
    List<CallLayout.Field> fields = layout.fields();
    for (int i = 0; i < fields.size(); i++) {
      if (fields.get(i).kind() == CallLayout.Kind.ADDRESS && call[i] != 0) {
        Integer owner = owners.putIfAbsent(call[i], i);
        boolean typed = i + 1 < fields.size() && fields.get(i + 1).name().endsWith("_type");
        int sparse = fields.get(i).name().endsWith("mask") ? 1 : 0;
        tensors.add(
            i
                + " "
                + extents.get(call[i])
                + " "
                + (owner == null ? i : owner)
                + " "
                + sparse
                + " "
                + (typed ? call[i + 1] : call[0]));
        call[i] = 0;
      }
    }
    StringBuilder line = new StringBuilder(stem).append(' ').append(call.length);
    for (long word : call) {
      line.append(' ').append(word);
    }
    line.append(' ').append(tensors.size());
    tensors.forEach(tensor -> line.append(' ').append(tensor));
    lines.add(line.toString());
  }

  /** How many elements from its first one on a tensor reaches, by address. */
  private static void extents(Record arguments, Map<Long, Long> extents) {
    for (RecordComponent component : arguments.getClass().getRecordComponents()) {
      Object value;
      try {
        value = component.getAccessor().invoke(arguments);
      } catch (ReflectiveOperationException e) {
        throw new AssertionError(e);
      }
      if (value instanceof TensorView view) {
        long reach = 1;
        for (int axis = 0; axis < view.shape().length; axis++) {
          reach =
              view.shape()[axis] == 0 || reach == 0
                  ? 0
                  : reach + (view.shape()[axis] - 1) * view.stride(axis);
        }
        extents.merge(view.address(), reach, Math::max);
      } else if (value instanceof PatchForwardArguments
          || value instanceof PatchBackwardArguments) {
        extents((Record) value, extents);
      }
    }
  }
}
