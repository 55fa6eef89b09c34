"""How many held-out samples of each skill are answered right: by a checkpoint, or by a server over HTTP.

`python -m hollie.evaluate --checkpoint FOLDER [--float]` needs torch, `--url http://127.0.0.1:11434 --model hollie`
needs the standard library only. Both answer greedily and print the same table.
"""

from __future__ import annotations

import argparse
import json
import random
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from . import corpus
from .phrase import TEST
from .sample import Message, Sample, assistant, judged

Answerer = Callable[[Sample], Message]
LONGEST = 160  # tokens of an answer over HTTP
SLACK = 16  # tokens by which a checkpoint's answer may exceed the expected one before it is cut off


def samples(skill: str, count: int) -> Iterator[Sample]:
    """The first held-out samples of a skill, always the same ones."""
    rng = random.Random(f"{skill} held out")
    return (corpus.SKILLS[skill](rng, TEST) for _ in range(count))


def over_http(url: str, model: str) -> Answerer:
    """Answers by POST /api/chat."""

    def answer(sample: Sample) -> Message:
        body = {
            "model": model, "messages": sample.messages[:-1], "tools": sample.tools, "stream": False,
            "options": {"temperature": 0, "num_predict": LONGEST},
        }
        if not sample.tools:
            del body["tools"]
        request = urllib.request.Request(f"{url}/api/chat", json.dumps(body).encode(),
            {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as response:
            message: Message = json.load(response)["message"]
        return message

    return answer


def from_checkpoint(folder: Path, rounded: bool) -> Answerer:
    """Answers by the weights of a folder, rounded as they later run or in floating point."""
    import torch
    from tokenizers import Tokenizer

    from . import checkpoint, tokenizer

    model = checkpoint.read(folder).eval()
    model.round_weights(rounded)
    model.round_activations(rounded and bool(checkpoint.ranges(model)))
    coder = Tokenizer.from_file(str(folder / "tokenizer.json"))
    stops = {coder.token_to_id(tokenizer.END), coder.token_to_id(tokenizer.TURN_END)}

    @torch.no_grad()
    def likeliest(ids: list[int], places: range) -> list[int]:
        found: list[int] = model(torch.tensor([ids]), torch.tensor(places)).argmax(-1).tolist()
        return found

    def answer(sample: Sample) -> Message:
        turn = corpus.text(Sample(sample.skill, sample.messages[:-1], sample.check,
            sample.tools)) + "<|im_start|>assistant\n"
        ids = coder.encode(turn).ids
        # one pass tells whether the expected answer is the greedy one; only where it is not must it be written out
        wanted = coder.encode(corpus.spoken(sample.messages[-1]) + tokenizer.TURN_END).ids
        start = len(ids)
        if likeliest(ids + wanted, range(start - 1, start + len(wanted) - 1)) == wanted:
            return sample.messages[-1]
        longest = start + len(wanted) + SLACK
        while len(ids) < longest and (made := likeliest(ids, range(len(ids) - 1, len(ids)))[0]) not in stops:
            ids.append(made)
        return assistant(coder.decode(ids[start:], skip_special_tokens=False))

    return answer


def table(answer: Answerer, skills: list[str], count: int, shown: int) -> None:
    """Prints the accuracy per skill, and the first `shown` wrong answers of each."""
    print(f"{'skill':<14}{'right':>7}{'of':>6}{'share':>8}")
    for skill in skills:
        right, wrong = 0, []
        for sample in samples(skill, count):
            given = answer(sample)
            if judged(sample.check, given):
                right += 1
            else:
                wrong.append((sample, given))
        print(f"{skill:<14}{right:>7}{count:>6}{right / count:>8.1%}", flush=True)
        for sample, given in wrong[:shown]:
            asked = "".join(f"\n      {m['role']}: {corpus.spoken(m)}" for m in sample.messages[-4:-1])
            print(f"    asked:{asked}\n    wanted: {sample.check}\n    given:  {corpus.spoken(given)!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="a folder written by train")
    parser.add_argument("--float", action="store_true", help="do not round weights and activations")
    parser.add_argument("--url", default="http://127.0.0.1:11434")
    parser.add_argument("--model", default="hollie")
    parser.add_argument("--count", type=int, default=100, help="samples per skill")
    parser.add_argument("--skill", action="append", choices=list(corpus.SKILLS),
        help="only this skill; may be repeated")
    parser.add_argument("--wrong", type=int, default=0, help="wrong answers to show per skill")
    args = parser.parse_args()
    if args.checkpoint:
        answer = from_checkpoint(args.checkpoint, not args.float)
    else:
        answer = over_http(args.url.rstrip("/"), args.model)
    table(answer, args.skill or list(corpus.SKILLS), args.count, args.wrong)


if __name__ == "__main__":
    main()
