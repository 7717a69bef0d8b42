"""A Dockerfile as its instructions, and the context that .dockerignore leaves of a folder.

Enough of Docker to run the instructions of a stage without an engine: what they do to files is
done below a folder that stands for `/`.
"""

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: `RUN`, and what follows it on one line."""

    name: str
    text: str

    @property
    def pairs(self) -> dict[str, str]:
        """Of ENV and LABEL: name -> value."""
        return dict(word.split("=", 1) for word in shlex.split(self.text))

    @property
    def command(self) -> list[str]:
        """Of CMD and HEALTHCHECK in exec form: the words of the command."""
        words: list[str] = json.loads(self.text[self.text.index("[") :])
        return words


class Stage(list[Instruction]):
    """The instructions from one FROM to the next."""

    def every(self, name: str) -> list[Instruction]:
        return [instruction for instruction in self if instruction.name == name]

    def one(self, name: str) -> Instruction:
        (found,) = self.every(name)
        return found


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile, in its order."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, text_of_it = line.split(None, 1)
        if name == "FROM":
            found.append(Stage())
        found[-1].append(Instruction(name, text_of_it.strip()))
    return found


def is_sent(path: str, dockerignore: str) -> bool:
    """Whether a file gets into the context: the last rule decides that matches it or a parent."""
    sent = True
    parts = path.split("/")
    prefixes = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    for line in dockerignore.splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern = _regex(rule.removeprefix("!").strip("/"))
        if any(pattern.fullmatch(prefix) for prefix in prefixes):
            sent = rule.startswith("!")
    return sent


def _regex(rule: str) -> re.Pattern[str]:
    """`**/` is any number of folders, `*` and `?` stay within one name, `[...]` is a set."""
    pieces = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    words = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])", rule)
    is_set = re.compile(r"\[[^]]+\]")
    return re.compile(
        "".join(
            word if is_set.fullmatch(word) else pieces.get(word, re.escape(word)) for word in words
        )
    )


def send_context(folder: Path, context: Path) -> None:
    """Copy into `context` what Docker would be sent of `folder`."""
    dockerignore = (folder / ".dockerignore").read_text(encoding="utf-8")
    for path in filter(Path.is_file, folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if is_sent(name, dockerignore):
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, context / name)


def run_stage(stage: Stage, context: Path, root: Path, environment: dict[str, str]) -> None:
    """Do what WORKDIR, ENV, COPY and RUN say, below `root`. Raises AssertionError with the output.

    A path that a command names as a word of its own is moved below `root` as well.
    """
    folder = root
    for instruction in stage:
        match instruction.name:
            case "WORKDIR":
                folder = root / instruction.text.strip("/")
                folder.mkdir(parents=True)
            case "ENV":
                environment = environment | instruction.pairs
            case "COPY":
                *sources, target = instruction.text.split()
                for source in sources:
                    _copy(context / source, folder / target)
            case "RUN":
                words = [word for word in shlex.split(instruction.text) if not is_option(word)]
                _run([_moved(word, root) for word in words], folder, environment)


def is_option(word: str) -> bool:
    """Whether a word of RUN is Docker's, not the command's."""
    return word.startswith(("--mount=", "--network=", "--security="))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _moved(word: str, root: Path) -> str:
    return f"{root}{word}" if word.startswith("/") else word


def _run(words: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", shlex.join(words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
