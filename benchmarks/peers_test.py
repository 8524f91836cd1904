"""Tests of peers.py: python3 benchmarks/peers_test.py. The peers are modules that stand in for the
real ones, with their functions' names, argument names and defaults, and note how they are called."""

import contextlib
import io
import json
import os
import pathlib
import stat
import sys
import tempfile
import textwrap
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import peers  # noqa: E402

STAND_INS = {
    "torch.py": """
        import contextlib
        class Data:
            def uniform_(self): return self
        class Tensor:
            def __init__(self, value): self.value = value; self.data = Data()
            def __getitem__(self, at): return self
            def __sub__(self, other): return self
            def mean(self): return self
            def size(self, axis): return len(self.value)
        float32 = "float32"
        class __config__:
            @staticmethod
            def show(): return "PyTorch built with:\\n  - MKL 1.0\\n  - GCC 1"
        def set_num_threads(n): pass
        def tensor(value): return Tensor(value)
        def device(name): return name
        def manual_seed(seed): pass
        def zeros(*shape, device="cpu", dtype=None):
            assert device != "cuda", "no card here"
            return Tensor([0])
        def arange(n): return Tensor(list(range(n)))
        def gather(values, axis, index): return values
        @contextlib.contextmanager
        def inference_mode(): yield
    """,
    "transformers.py": """
        from torch import Tensor
        class Out: logits = Tensor([0])
        class Model:
            def eval(self): return self
            def __call__(self, ids, use_cache=True): return Out
        class AutoModelForCausalLM:
            @staticmethod
            def from_pretrained(directory, torch_dtype=None): return Model()
        class Words:
            bos_token_id = 0
            def __call__(self, text, add_special_tokens=True):
                assert not add_special_tokens
                return {"input_ids": [len(w) for w in text.split(" ")]}
        class AutoTokenizer:
            @staticmethod
            def from_pretrained(directory): return Words()
    """,
    "transformer_lens.py": """
        from torch import Tensor
        class Config: pass
        class HookedTransformer:
            def __init__(self): self.cfg = Config()
            @classmethod
            def from_pretrained_no_processing(cls, model_name, hf_model=None, tokenizer=None, device=None):
                assert model_name == "gpt2", model_name
                return cls()
            def eval(self): return self
            def parameters(self): return [Tensor([0])]
            def __call__(self, ids): return Tensor([0])
    """,
    "auto_circuit/__init__.py": "",
    "auto_circuit/types.py": "class AblationType: RESAMPLE = 1",
    "auto_circuit/data.py": """
        import json
        from torch import Tensor
        class Batch:
            def __init__(self, pairs): self.clean = self.corrupt = Tensor(pairs)
        def load_datasets_from_json(model, path, device, prepend_bos=True, batch_size=32,
                train_test_size=(0.9, 0.1), length_limit=100, return_seq_length=False,
                tail_divergence=False, shuffle=True, random_seed=42, pad=True):
            assert model is None and not prepend_bos and not shuffle
            pairs = json.loads(path.read_text())["prompts"]
            assert train_test_size == (len(pairs), 0) and batch_size == len(pairs) <= length_limit
            assert all(isinstance(t, int) for p in pairs for t in p["clean"] + p["answers"])
            return [Batch(pairs)], []
    """,
    "auto_circuit/utils/__init__.py": "",
    "auto_circuit/utils/ablation_activations.py": """
        def src_ablations(model, sample, ablation_type): return "ablations"
    """,
    "auto_circuit/utils/graph_utils.py": """
        import contextlib
        from torch import Tensor
        class Wrapper:
            def __init__(self): self.patch_mask = Tensor([0])
        class Patchable:
            out_slice = 0
            def __init__(self): self.dest_wrappers = [Wrapper()]
            def __call__(self, ids): return Tensor([0])
        def patchable_model(model, factorized, slice_output=None, seq_len=None, separate_qkv=None,
                kv_caches=(None,), device="cpu"):
            flags = ("use_attn_in", "use_attn_result", "use_split_qkv_input", "use_hook_mlp_in")
            assert all(getattr(model.cfg, f) for f in flags)
            assert factorized and separate_qkv and slice_output == "last_seq"
            return Patchable()
        @contextlib.contextmanager
        def patch_mode(model, patch_src_outs, edges=None, curr_src_outs=None):
            assert patch_src_outs == "ablations"
            yield
    """,
    "auto_circuit/prune_algos/__init__.py": "",
    "auto_circuit/prune_algos/mask_gradient.py": """
        def mask_gradient_prune_scores(model, dataloader, official_edges, grad_function,
                answer_function, mask_val=None, integrated_grad_samples=None, ablation_type=1,
                clean_corrupt="corrupt"):
            assert (mask_val is None) != (integrated_grad_samples is None)
            assert (grad_function, answer_function) == ("logit", "avg_diff")
            if integrated_grad_samples is not None: raise RuntimeError("out\\nof memory")
    """,
    "eap/__init__.py": "",
    "eap/graph.py": """
        class Graph:
            edges = {i: i for i in range(200)}
            @classmethod
            def from_model(cls, model):
                assert model.cfg.ungroup_grouped_query_attention
                return cls()
            def apply_topn(self, n, absolute):
                assert n == 2 and absolute
    """,
    "eap/attribute.py": """
        import torch
        def attribute(model, graph, dataloader, metric, method, intervention="patching",
                aggregation="sum", ig_steps=None, intervention_dataloader=None, quiet=False):
            torch.zeros((1, 1), device="cuda", dtype=None)
            for clean, corrupted, label in dataloader:
                assert all(isinstance(c, str) for c in clean + corrupted)
                metric(torch.tensor([0, 0]), None, torch.tensor([3, 3]) , label)
            assert (method, ig_steps) in [("EAP", None), ("EAP-IG-inputs", 5)]
    """,
    "eap/evaluate.py": """
        import torch
        def evaluate_graph(model, graph, dataloader, metrics, quiet=False, intervention="patching",
                intervention_dataloader=None, skip_clean=True):
            torch.zeros((1, 1), device="cuda", dtype=None)
    """,
}

PAIRS = [
    {"clean": "a bb ccc", "corrupt": "a bb dddd", "answers": [" e"], "wrong_answers": [" ff"]},
    {"clean": "g hh iii", "corrupt": "g hh jjjj", "answers": [" k"], "wrong_answers": [" ll"]},
]

BENCH = """#!{python}
import json, sys
words = sys.argv[1:]
assert words[0] == "bench", words
given = dict(zip(words[1::2], words[2::2]))
assert given["--threads"] == "2" and given["--batch"] == "2" and given["--repeats"] == "3", given
json.dump({{"plain_ms": 100.0, "seq": {seq}, "batch": 2, "kernels": "fake",
    "ratios": {{"dense": 1.5, "circuit_1pct": 0.5, "eap": 4.0, "ig5": 16.0}}}},
    open(given["--json"], "w"))
"""


class Fake:
    def __init__(self, name, seconds, order):
        self.name, self.seconds, self.order = name, seconds, order
        self.figures = tuple(seconds)

    def times(self, wanted):
        for figure in wanted:
            self.order.append((self.name, figure))
            result = self.seconds[figure]
            yield figure, result.pop(0) if isinstance(result, list) else result


class Measuring(unittest.TestCase):
    def test_runners_take_turns_and_each_begins_once(self):
        order = []
        runners = [Fake(n, {"plain": [1.0, 2.0, 4.0], "eap": 8.0}, order) for n in "ab"]
        series, failures = peers.measure(runners, ["plain", "eap"], 3)
        self.assertEqual("aabbbbaaaabb", "".join(name for name, _ in order))
        self.assertEqual([1.0, 2.0, 4.0], series["a"]["plain"].seconds)
        self.assertEqual(2.0, series["a"]["plain"].median)
        self.assertEqual(1.5, series["a"]["plain"].spread)
        self.assertEqual({"a": {}, "b": {}}, failures)

    def test_what_fails_is_not_tried_again_and_what_is_not_offered_never(self):
        order = []
        bad = Fake("bad", {"plain": 1.0, "eap": ValueError("no\n memory")}, order)
        series, failures = peers.measure([bad], ["plain", "eap", "dense"], 2)
        self.assertEqual({"bad": {"eap": "no memory"}}, failures)
        self.assertEqual([("bad", f) for f in ("plain", "eap", "plain")], order)
        self.assertEqual([1.0, 1.0], series["bad"]["plain"].seconds)

    def test_the_table_gives_times_and_quotients(self):
        ours = {"plain": peers.Series([0.1, 0.2, 0.3])}
        theirs = {"plain": peers.Series([0.5]), "eap": peers.Series([2.0])}
        series = {"ours": ours, "theirs": theirs, "none": {}}
        failures = {"ours": {"eap": "x"}, "theirs": {}, "none": {}}
        text = peers.table(series, failures, ["plain", "eap", "dense"], "ours").splitlines()
        self.assertEqual("| figure | ours | theirs |", text[0])
        self.assertIn("| 200 ms ± 50 % | 500 ms ± 0 % (2.5×) |", text[2])
        self.assertIn("| failed | 2000 ms ± 0 % |", text[3])
        self.assertEqual(4, len(text))

    def test_the_machine_is_described(self):
        where = peers.machine()
        self.assertGreater(where["cores"], 0)
        self.assertTrue(where["processor"])


class Tokens(unittest.TestCase):
    def test_an_answer_is_what_it_adds(self):
        class Letters:
            bos_token_id = 7

            def __call__(self, text, add_special_tokens=True):
                return {"input_ids": [ord(c) for c in text]}

        pair = {"clean": "ab", "corrupt": "ac", "answers": ["x"], "wrong_answers": [5]}
        self.assertEqual(
            [{"clean": [7, 97, 98], "corrupt": [7, 97, 99], "answers": [120], "wrong_answers": [5]}],
            peers.token_ids([pair], Letters()),
        )
        with self.assertRaisesRegex(ValueError, "'xy' is 2 tokens"):
            peers.token_ids([dict(pair, answers=["xy"])], Letters())
        with self.assertRaisesRegex(ValueError, "one length"):
            peers.token_ids([dict(pair, corrupt="abc")], Letters())


class WholeRun(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "config.json").write_text('{"_name_or_path": "gpt2"}')
        (self.folder / "prompts.json").write_text(json.dumps({"prompts": PAIRS}))
        for name, code in STAND_INS.items():
            file = self.folder / "peers" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(code))

    def run_it(self, seq=4, installed=True, bench=BENCH):
        program = self.folder / "bench"
        program.write_text(bench.format(python=sys.executable, seq=seq))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        words = ["--model", str(self.folder), "--prompts", str(self.folder / "prompts.json"),
                 "--threads", "2", "--batch", "2", "--rounds", "2", "--repeats", "3",
                 "--ours", str(program), "--json", str(self.folder / "out.json"),
                 "--markdown", str(self.folder / "out.md")]  # fmt: skip
        place = str(self.folder / "peers")
        out, err = io.StringIO(), io.StringIO()
        before = os.environ.get("PYTHONPATH")
        if installed:
            sys.path.insert(0, place)
            os.environ["PYTHONPATH"] = place
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = peers.main(words)
        finally:
            if installed:
                sys.path.remove(place)
                os.environ.pop("PYTHONPATH")
                if before is not None:
                    os.environ["PYTHONPATH"] = before
        page = (self.folder / "out.md").read_text(encoding="utf-8")
        self.assertEqual(page, out.getvalue())
        return status, page, json.loads((self.folder / "out.json").read_text()), err.getvalue()

    def test_all_peers_are_measured(self):
        status, page, root, log = self.run_it()
        self.assertEqual(0, status)
        runners = root["runners"]
        ours = runners["AutoCircuit for the JVM"]
        self.assertEqual([0.1, 0.1], ours["seconds"]["plain"])
        self.assertEqual([0.4, 0.4], ours["seconds"]["eap"])
        for name, figures in {
            "PyTorch, transformers": ["plain"],
            "AutoCircuit": ["dense", "eap", "plain"],
            "EAP-IG": ["circuit_1pct", "eap", "ig_inputs5", "plain"],
        }.items():
            self.assertEqual(figures, sorted(runners[name]["seconds"]), log)
            self.assertTrue(all(len(s) == 2 for s in runners[name]["seconds"].values()))
            self.assertEqual(4, runners[name]["facts"]["seq"])
        self.assertEqual(
            {"ig5": "RuntimeError: out of memory"}, runners["AutoCircuit"]["failed"]
        )
        self.assertIn("AutoCircuit: ig5 failed: RuntimeError: out of memory", page)
        self.assertEqual({}, root["missing"])
        self.assertNotIn("compare with care", page)

    def test_prompts_of_other_lengths_are_noted(self):
        self.assertIn("[3, 4] tokens in different runners", self.run_it(seq=3)[1])

    def test_without_peers_ours_is_measured(self):
        if peers.importlib.util.find_spec("torch"):
            self.skipTest("torch is installed here")
        status, page, root, log = self.run_it(installed=False)
        self.assertEqual(0, status)
        self.assertEqual(["AutoCircuit for the JVM"], list(root["runners"]))
        self.assertIn("not measured, missing packages: AutoCircuit: torch, transformers", page)
        self.assertIn("EAP-IG is left out: not installed: torch", log)

    def test_without_anything_it_fails(self):
        status, page, _, _ = self.run_it(
            installed=False, bench="#!{python}\nraise SystemExit('no such jar')\n"
        )
        self.assertEqual(1, status)
        self.assertIn("eap failed: no such jar", page)

    def test_wrong_options_are_refused(self):
        for words in (["--rounds", "0"], ["--figures", "plain,nonsense"]):
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as err:
                peers.parse(["--model", "m", "--prompts", "p"] + words)
            self.assertRegex(err.getvalue(), "must be at least 1|nonsense unknown; there are plain")


if __name__ == "__main__":
    unittest.main()
