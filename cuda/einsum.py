#!/usr/bin/env python3
"""Times activation patching as a sum over einsum in PyTorch, on the calls that run_device timed.

    einsum.py KERNELS_TIMES.json RESULT.json [--device cpu] [--repeats 20]

Per call the patched, normalised inputs of all destinations of a block and their gradients: as
patch_forward and patch_backward, by plain operations. Prints and writes both times and their ratio.
Needs PyTorch alone; TF32 stays off.
"""
import argparse
import datetime
import json
import statistics
import time

import torch


def forward(resid, delta, mask):
    patched = resid + torch.einsum("ks,sbtd->kbtd", mask, delta)
    return torch.nn.functional.layer_norm(patched, patched.shape[-1:], eps=1e-5)


def milliseconds(work, device, repeats):
    """Times of each repetition after three that warm up."""
    result = []
    for i in range(-3, repeats):
        if device == "cpu":
            start = time.perf_counter()
            work()
            taken = (time.perf_counter() - start) * 1e3
        else:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            work()
            end.record()
            end.synchronize()
            taken = begin.elapsed_time(end)
        if i >= 0:
            result.append(taken)
    return result


def measure(call, device, repeats):
    kind = getattr(torch, call["type"])
    b, t, k, s, d = (call[name] for name in ("B", "T", "K", "S", "D"))
    generator = torch.Generator(device=device).manual_seed(1)
    draw = lambda *shape: torch.randn(shape, generator=generator, device=device, dtype=torch.float32).to(kind)
    resid, delta, mask = draw(b, t, d), draw(s, b, t, d), draw(k, s)
    if call["kernel"] == "forward":
        with torch.no_grad():
            return milliseconds(lambda: forward(resid, delta, mask), device, repeats)
    inputs = [x.requires_grad_() for x in (resid, delta, mask)]
    out = forward(*inputs)
    grad = torch.randn_like(out)
    return milliseconds(
        lambda: torch.autograd.grad(out, inputs, grad, retain_graph=True), device, repeats
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("times")
    parser.add_argument("result")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    with open(options.times) as file:
        ours = json.load(file)
    name = "cpu" if options.device == "cpu" else torch.cuda.get_device_name()
    lines = []
    print(f"einsum in PyTorch {torch.__version__} on {name}; kernels on {ours['device']}")
    for call in ours["times"]:
        if call["kernel"] not in ("forward", "backward"):
            continue
        taken = measure(call, options.device, options.repeats)
        median = statistics.median(taken)
        line = {key: call[key] for key in ("kernel", "type", "B", "T", "K", "S", "D")}
        line.update(
            einsum_ms=median,
            spread=(max(taken) - min(taken)) / median,
            kernel_ms=call["ms"],
            ratio=median / call["ms"],
        )
        lines.append(line)
        print(
            f"{line['kernel']:9} {line['type']:9} K={line['K']} S={line['S']}: einsum {median:.3f} ms,"
            f" kernel {call['ms']:.3f} ms, ratio {line['ratio']:.2f}"
        )
        if options.device != "cpu":
            torch.cuda.empty_cache()
    with open(options.result, "w") as file:
        json.dump(
            {
                "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "device": name,
                "torch": torch.__version__,
                "times": lines,
            },
            file,
            indent=1,
        )
        file.write("\n")


if __name__ == "__main__":
    main()
