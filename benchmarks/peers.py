#!/usr/bin/env python3
"""Times Python's circuit-discovery libraries beside this one, interleaved in one run.

Same model (a Hugging Face directory), same prompts (a JSON file of pairs), same number of threads.
Peers that are not installed are named and left out. Needs Python 3.9 and nothing else; what it can
time depends on what is installed: torch and transformers (the plain forward), auto_circuit, eap
(EAP-IG), the last two with transformer_lens. See benchmarks/README.md.
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

FIGURES = {
    "plain": "plain forward, logits of the last token",
    "dense": "one evaluation with a random mask on every edge",
    "circuit_1pct": "one evaluation of a circuit of 1 % of the edges",
    "eap": "EAP scores of every edge, everything included",
    "ig5": "integrated gradients of the masks, 5 samples",
    "ig_inputs5": "EAP-IG: integrated gradients of the inputs, 5 steps",
}


# ---------------------------------------------------------------- measuring: standard library only
@dataclasses.dataclass
class Series:
    """Seconds of one figure by one runner, a number for each round."""

    seconds: list = dataclasses.field(default_factory=list)

    @property
    def median(self):
        return statistics.median(self.seconds)

    @property
    def spread(self):
        """(largest - smallest) / median"""
        return (max(self.seconds) - min(self.seconds)) / self.median


def measure(runners, figures, rounds, say=lambda text: None):
    """Times every figure of every runner once a round, runners in turns.

    A runner has `name`, `figures` (those it offers) and `times(figures)`, which yields pairs of a
    figure and its seconds, or of a figure and an exception where it failed. The runner that begins
    changes from round to round. Returns ({name: {figure: Series}}, {name: {figure: message}}); a
    figure that failed is not tried again.
    """
    series = {runner.name: {} for runner in runners}
    failures = {runner.name: {} for runner in runners}
    for number in range(rounds):
        shift = number % max(1, len(runners))
        for runner in runners[shift:] + runners[:shift]:
            wanted = [
                f for f in figures if f in runner.figures and f not in failures[runner.name]
            ]
            for figure, result in runner.times(wanted) if wanted else ():
                if isinstance(result, Exception):
                    failures[runner.name][figure] = one_line(result)
                    series[runner.name].pop(figure, None)
                    say(f"round {number + 1}: {runner.name}: {figure} failed: {one_line(result)}")
                else:
                    series[runner.name].setdefault(figure, Series()).seconds.append(result)
                    say(f"round {number + 1}: {runner.name}: {figure} {result * 1e3:.1f} ms")
    return series, failures


def one_line(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def table(series, failures, figures, ours):
    """Markdown: milliseconds, and how many times as long as `ours` in brackets."""
    names = [name for name in series if series[name] or failures[name]]
    rows = [["figure"] + names]
    for figure in figures:
        if not any(figure in series[name] or figure in failures[name] for name in names):
            continue
        own = series.get(ours, {}).get(figure)
        cells = []
        for name in names:
            if figure in series[name]:
                s = series[name][figure]
                cell = f"{s.median * 1e3:.4g} ms ± {s.spread * 50:.0f} %"
                if own is not None and name != ours:
                    cell += f" ({s.median / own.median:.3g}×)"
            else:
                cell = "failed" if figure in failures[name] else "–"
            cells.append(cell)
        rows.append([f"{figure}: {FIGURES.get(figure, figure)}"] + cells)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def machine():
    """What the numbers depend on."""
    flags, model = set(), platform.processor()
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "flags":
                flags = set(value.split())
            elif key.strip() == "model name":
                model = value.strip()
    sets = [s for s in ("avx512f", "avx2", "sse2", "asimd") if s in flags]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": model or platform.machine(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "instruction_set": sets[0] if sets else "unknown",
        "system": platform.platform(),
        "load_before": load,
    }


def versions(packages):
    found = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


# ------------------------------------------------------------------------------------ this library
class Ours:
    """The command `bench`, once a round: a process of its own, its figures without start-up."""

    name = "AutoCircuit for the JVM"
    figures = ("plain", "dense", "circuit_1pct", "eap", "ig5")

    def __init__(self, command, options):
        self.command = shlex.split(command)
        self.options = options
        self.result = {}

    def times(self, wanted):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "bench.json")
            command = self.command + [
                "bench", "--model", self.options.model, "--dataset", self.options.prompts,
                "--batch", str(self.options.batch), "--threads", str(self.options.threads),
                "--repeats", str(self.options.repeats), "--json", str(file),
            ]  # fmt: skip
            try:
                done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                if done.returncode != 0:
                    raise RuntimeError(done.stdout.decode(errors="replace")[-500:])
                self.result = json.loads(file.read_text())
            except (OSError, RuntimeError, ValueError) as error:
                yield from ((figure, error) for figure in wanted)
                return
        plain = self.result["plain_ms"] / 1e3
        for figure in wanted:
            yield figure, plain if figure == "plain" else plain * self.result["ratios"][figure]

    def facts(self):
        kept = ("machine", "kernels", "shape", "batch", "seq", "threads", "product_gflops")
        return {key: self.result[key] for key in kept if key in self.result}

    def close(self):
        pass


# --------------------------------------------------------------------- peers, each in its own process
class Peer:
    """A worker (this file with --worker): it loads the model once and times what it is told."""

    def __init__(self, name, worker, figures, packages, options):
        self.name, self.worker, self.figures = name, worker, figures
        self.packages, self.options = packages, options
        self.process, self.known = None, {}

    def missing(self):
        return [p for p in self.packages if importlib.util.find_spec(p) is None]

    def start(self):
        command = [
            sys.executable, __file__, "--worker", self.worker, "--model", self.options.model,
            "--prompts", self.options.prompts, "--batch", str(self.options.batch),
            "--threads", str(self.options.threads), "--repeats", str(self.options.repeats),
        ]  # fmt: skip
        if self.options.tl_name:
            command += ["--tl-name", self.options.tl_name]
        environment = dict(os.environ, TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false")
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = str(self.options.threads)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.known = self.ask(None)

    def ask(self, figure):
        """The worker's answer; its first, unasked one says what it has loaded."""
        if figure is not None:
            self.process.stdin.write(json.dumps(figure) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def times(self, wanted):
        if self.process is None:
            try:
                self.start()
            except (OSError, RuntimeError, ValueError) as error:
                yield from ((figure, error) for figure in wanted)
                return
        for figure in wanted:
            try:
                yield figure, self.ask(figure)["seconds"]
            except (OSError, RuntimeError, ValueError) as error:
                yield figure, error

    def facts(self):
        return dict(self.known, versions=versions(self.packages))

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()


def peers(options):
    return [
        Peer("PyTorch, transformers", "transformers", ("plain",),
             ["torch", "transformers"], options),
        Peer("AutoCircuit", "autocircuit", ("plain", "dense", "eap", "ig5"),
             ["torch", "transformers", "transformer_lens", "auto_circuit"], options),
        Peer("EAP-IG", "eap", ("plain", "circuit_1pct", "eap", "ig_inputs5"),
             ["torch", "transformers", "transformer_lens", "eap"], options),
    ]  # fmt: skip


# -------------------------------------------------------------------------------- inside a worker
def read_pairs(file, most):
    pairs = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))["prompts"][:most]
    if not pairs:
        raise ValueError(f"file={file} holds no prompts")
    return pairs


def token_ids(pairs, tokenizer):
    """The pairs with token ids in place of texts: a BOS before prompts, none before answers.

    An answer is what it adds to its prompt, if that is one token; else the answer's own token.
    """

    def plain(text):
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def prompt(value):
        if not isinstance(value, str):
            return list(value)
        first = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        return first + plain(value)

    def answer(value, clean):
        if not isinstance(value, str):
            return value
        if isinstance(clean, str):
            before, after = plain(clean), plain(clean + value)
            if after[:-1] == before:
                return after[-1]
        alone = plain(value)
        if len(alone) != 1:
            raise ValueError(f"answer={value!r} is {len(alone)} tokens; one is needed")
        return alone[0]

    out = []
    for pair in pairs:
        out.append({
            "clean": prompt(pair["clean"]),
            "corrupt": prompt(pair["corrupt"]),
            "answers": [answer(a, pair["clean"]) for a in pair["answers"]],
            "wrong_answers": [answer(a, pair["clean"]) for a in pair["wrong_answers"]],
        })  # fmt: skip
    lengths = {len(p[side]) for p in out for side in ("clean", "corrupt")}
    if len(lengths) != 1:
        raise ValueError(f"lengths={sorted(lengths)}: all prompts must have one length")
    return out


def timed(work, repeats):
    """Median seconds; the first, untimed call warms up."""
    work()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


class TransformersWorker:
    def __init__(self, options):
        import torch
        import transformers

        self.torch = torch
        torch.set_num_threads(options.threads)
        tokenizer = None
        pairs = read_pairs(options.prompts, options.batch)
        if any(isinstance(value, str) for p in pairs for value in (p["clean"], *p["answers"])):
            tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
        self.pairs, self.tokenizer = token_ids(pairs, tokenizer), tokenizer
        self.texts = pairs
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            options.model, torch_dtype=torch.float32
        ).eval()
        self.clean = torch.tensor([p["clean"] for p in self.pairs])
        self.n = len(self.pairs)

    def facts(self):
        return {"batch": self.n, "seq": len(self.pairs[0]["clean"]), "torch": self.torch_facts()}

    def torch_facts(self):
        lines = self.torch.__config__.show().splitlines()
        kept = [s.strip(" -") for s in lines if "MKL" in s or "CPU capability" in s or "BLAS" in s]
        return [s[:120] for s in kept]

    def plain(self):
        with self.torch.inference_mode():
            try:
                return self.model(self.clean, use_cache=False, logits_to_keep=1).logits
            except TypeError:  # older than the option
                return self.model(self.clean, use_cache=False).logits[:, -1]


class HookedWorker(TransformersWorker):
    """The same model in TransformerLens, with the flags that both libraries need."""

    def __init__(self, options):
        super().__init__(options)
        import transformer_lens

        name = options.tl_name or tl_name(options.model)
        hooked = transformer_lens.HookedTransformer.from_pretrained_no_processing(
            name, hf_model=self.model, tokenizer=self.tokenizer, device="cpu"
        )
        for flag in ("use_attn_result", "use_split_qkv_input", "use_hook_mlp_in"):
            setattr(hooked.cfg, flag, True)
        hooked.eval()
        for parameter in hooked.parameters():
            parameter.requires_grad = False
        self.model = hooked


def tl_name(directory):
    """TransformerLens knows models by names: that which config.json was saved from."""
    config = json.loads(pathlib.Path(directory, "config.json").read_text())
    name = config.get("_name_or_path", "")
    if not name or os.path.exists(name):
        raise ValueError(
            "config.json does not say which model it is; give TransformerLens's name, --tl-name gpt2"
        )
    return name


class AutoCircuitWorker(HookedWorker):
    def __init__(self, options):
        super().__init__(options)
        from auto_circuit.data import load_datasets_from_json
        from auto_circuit.types import AblationType
        from auto_circuit.utils.ablation_activations import src_ablations
        from auto_circuit.utils.graph_utils import patchable_model

        device = self.torch.device("cpu")
        self.model.cfg.use_attn_in = True
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "prompts.json")
            file.write_text(json.dumps({"prompts": self.pairs}))
            self.loader, _ = load_datasets_from_json(
                model=None, path=file, device=device, prepend_bos=False, batch_size=self.n,
                train_test_size=(self.n, 0), shuffle=False,
            )  # fmt: skip
        self.patchable = patchable_model(
            self.model, factorized=True, slice_output="last_seq", separate_qkv=True, device=device
        )
        self.batch = next(iter(self.loader))
        self.ablations = src_ablations(self.patchable, self.batch.corrupt, AblationType.RESAMPLE)

    def plain(self):
        with self.torch.inference_mode():
            return self.patchable(self.batch.clean)[self.patchable.out_slice]

    def dense(self):
        from auto_circuit.utils.graph_utils import patch_mode

        self.torch.manual_seed(1)
        for wrapper in self.patchable.dest_wrappers:
            wrapper.patch_mask.data.uniform_()
        with patch_mode(self.patchable, self.ablations), self.torch.inference_mode():
            return self.patchable(self.batch.clean)[self.patchable.out_slice]

    def gradient(self, **at):
        from auto_circuit.prune_algos.mask_gradient import mask_gradient_prune_scores

        return mask_gradient_prune_scores(
            model=self.patchable, dataloader=self.loader, official_edges=None,
            grad_function="logit", answer_function="avg_diff", **at,
        )  # fmt: skip

    def eap(self):
        return self.gradient(mask_val=0.0)

    def ig5(self):
        return self.gradient(integrated_grad_samples=5)


class EapWorker(HookedWorker):
    def __init__(self, options):
        super().__init__(options)
        from eap.graph import Graph

        if not all(isinstance(p[side], str) for p in self.texts for side in ("clean", "corrupt")):
            raise ValueError("EAP-IG reads prompts as text; this file holds token ids")
        self.model.cfg.ungroup_grouped_query_attention = True
        labels = self.torch.tensor(
            [[p["answers"][0], p["wrong_answers"][0]] for p in self.pairs]
        )
        sides = [[p[side] for p in self.texts] for side in ("clean", "corrupt")]
        self.loader = [(sides[0], sides[1], labels)]
        self.graph = Graph.from_model(self.model)

    def plain(self):
        with self.torch.inference_mode():
            return self.model(self.clean)[:, -1]

    def difference(self, logits, clean_logits, lengths, labels):
        """Minus the mean logit difference at each prompt's last position."""
        last = logits[self.torch.arange(logits.size(0)), lengths - 1]
        both = self.torch.gather(last, -1, labels)
        return (both[:, 1] - both[:, 0]).mean()

    def attribute(self, **how):
        from eap.attribute import attribute

        with self.on_the_processor():
            attribute(self.model, self.graph, self.loader, self.difference, quiet=True, **how)

    def eap(self):
        self.attribute(method="EAP")

    def ig_inputs5(self):
        self.attribute(method="EAP-IG-inputs", ig_steps=5)

    def circuit_1pct(self):
        from eap.evaluate import evaluate_graph

        # whatever scores there are: the cost depends on the number of edges alone
        self.graph.apply_topn(max(1, len(self.graph.edges) // 100), True)
        with self.on_the_processor():
            evaluate_graph(self.model, self.graph, self.loader, self.difference, quiet=True)

    @contextlib.contextmanager
    def on_the_processor(self):
        """EAP-IG asks for tensors of zeros on "cuda" wherever the model is."""
        zeros = self.torch.zeros

        def here(*shape, **options):
            if options.get("device") == "cuda":
                options["device"] = "cpu"
            return zeros(*shape, **options)

        self.torch.zeros = here
        try:
            yield
        finally:
            self.torch.zeros = zeros


WORKERS = {
    "transformers": TransformersWorker,
    "autocircuit": AutoCircuitWorker,
    "eap": EapWorker,
}


def work(options):
    """Answers figures, one a line, until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    try:
        worker = WORKERS[options.worker](options)
        answer(worker.facts())
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}"})
        return 1
    for line in sys.stdin:
        try:
            answer({"seconds": timed(getattr(worker, json.loads(line)), options.repeats)})
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})
    return 0


# ------------------------------------------------------------------------------------------- command
def parse(words):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", required=True, help="directory with config.json and weights")
    parser.add_argument("--prompts", required=True, help="JSON file of prompt pairs, one length")
    parser.add_argument("--batch", type=int, default=32, help="first pairs of the file (32)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="(all cores)")
    parser.add_argument("--rounds", type=int, default=3, help="times that runners take turns (3)")
    parser.add_argument("--repeats", type=int, default=1, help="repetitions in a round (1)")
    parser.add_argument("--figures", default=",".join(FIGURES), help="(%(default)s)")
    parser.add_argument("--ours", default="java -jar target/autocircuit.jar",
                        help="how this library's command line is called (%(default)s)")  # fmt: skip
    parser.add_argument("--tl-name", help="TransformerLens's name of the model, such as gpt2")
    parser.add_argument("--json", help="write the figures to that file too")
    parser.add_argument("--markdown", help="write the table to that file too")
    parser.add_argument("--worker", choices=sorted(WORKERS), help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    for name in ("batch", "threads", "rounds", "repeats"):
        if getattr(options, name) < 1:
            parser.error(f"--{name}={getattr(options, name)} must be at least 1")
    unknown = [f for f in options.figures.split(",") if f not in FIGURES]
    if unknown:
        parser.error(f"--figures={','.join(unknown)} unknown; there are {', '.join(FIGURES)}")
    return options


def report(runners, missing, series, failures, options, where):
    """The Markdown page and the JSON object of a run."""
    figures = options.figures.split(",")
    facts = {runner.name: runner.facts() for runner in runners}
    lengths = {f["seq"] for f in facts.values() if "seq" in f}
    notes = [f"not measured, missing packages: {name}: {', '.join(p)}" for name, p in missing]
    for name, failed in failures.items():
        notes += [f"{name}: {figure} failed: {message}" for figure, message in failed.items()]
    if len(lengths) > 1:
        notes.append(
            f"prompts have {sorted(lengths)} tokens in different runners (BOS?): compare with care"
        )
    lines = [
        f"{where['processor']}, {where['cores']} cores, {where['instruction_set']},"
        f" load {where['load_before']} before; {options.threads} threads, {options.rounds} rounds"
        f" in turns, {options.repeats} repetitions each; median ± half the spread (times ours)",
        "",
        table(series, failures, figures, Ours.name),
        "",
    ]
    lines += [f"* {name}: {json.dumps(known)}" for name, known in facts.items() if known]
    lines += [f"* {note}" for note in notes]
    root = {
        "machine": where,
        "threads": options.threads,
        "rounds": options.rounds,
        "repeats": options.repeats,
        "runners": {
            name: {
                "facts": facts[name],
                "seconds": {figure: s.seconds for figure, s in series[name].items()},
                "failed": failures[name],
            }
            for name in facts
        },
        "missing": dict(missing),
    }
    return "\n".join(lines) + "\n", root


def main(words=None):
    options = parse(words)
    if options.worker:
        return work(options)
    where = machine()
    runners, missing = [Ours(options.ours, options)], []
    for peer in peers(options):
        lacks = peer.missing()
        if lacks:
            missing.append((peer.name, lacks))
            print(f"{peer.name} is left out: not installed: {', '.join(lacks)}", file=sys.stderr)
        else:
            runners.append(peer)
    try:
        series, failures = measure(
            runners,
            options.figures.split(","),
            options.rounds,
            lambda text: print(text, file=sys.stderr, flush=True),
        )
        page, root = report(runners, missing, series, failures, options, where)
    finally:
        for runner in runners:
            runner.close()
    print(page, end="")
    if options.markdown:
        pathlib.Path(options.markdown).write_text(page, encoding="utf-8")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(root, indent=2) + "\n", encoding="utf-8")
    return 1 if not any(series[name] for name in series) else 0


if __name__ == "__main__":
    sys.exit(main())
