#!/usr/bin/env python3
"""Breaks, one after the other, what the models hold true, and shows that a
model fails each time. Works on a copy of the sources.

Usage: etc/interleavings --broken
       breaks.py --probe   breaks nothing, and says whether all could be
"""

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COPY = os.path.join(ROOT, "target", "interleavings-broken")

# What is broken, the file, what stands there, and what stands there then.
BREAKS = [
    (
        "a publication is told of before it is there",
        "src/health.rs",
        """        self.current.store(Arc::new(published));
        self.changed.send_replace(sequence);
""",
        """        self.changed.send_replace(sequence);
        self.current.store(Arc::new(published));
""",
    ),
    (
        "what comes while a change is read counts as read",
        "src/health.rs",
        """        self.changes.mark_unchanged();
        Ok(self.current())
""",
        """        let current = self.current();
        self.changes.mark_unchanged();
        Ok(current)
""",
    ),
    (
        "what comes after the first look is not waited for",
        "src/health.rs",
        """        self.changes.mark_unchanged();
        let mut published = self.current();
""",
        """        let mut published = self.current();
        self.changes.mark_unchanged();
""",
    ),
    (
        "a phase is told of and never stored",
        "src/shutdown.rs",
        "        self.cell.store(phase as u8 | opened, Ordering::Release);\n",
        "",
    ),
    (
        "a phase is stored without what was done before it",
        "src/shutdown.rs",
        "self.cell.store(phase as u8 | opened, Ordering::Release)",
        "self.cell.store(phase as u8 | opened, Ordering::Relaxed)",
    ),
    (
        "a phase is loaded without what was done before it",
        "src/shutdown.rs",
        "        decode(self.cell.load(Ordering::Acquire))\n",
        "        decode(self.cell.load(Ordering::Relaxed))\n",
    ),
    (
        "draining forgets that the gate was open",
        "src/shutdown.rs",
        "(before & GATE_OPENED)\n",
        "0\n",
    ),
    (
        "state first, phase later",
        "src/health/readiness.rs",
        """            if after == before {
                return (published, before);
""",
        """            if true {
                return (published, after);
""",
    ),
    (
        "phase first, state later",
        "src/health/readiness.rs",
        "            if after == before {\n",
        "            if true {\n",
    ),
    (
        "a seat is looked for, then taken",
        "src/cache/seats.rs",
        """        let counted = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, another);
        counted.ok().map""",
        """        let counted = another(self.taken.load(Ordering::Relaxed)).inspect(|_| {
            self.taken.fetch_add(1, Ordering::Relaxed);
        });
        counted.map""",
    ),
    (
        "who is in flight is asked before all are gone",
        "src/http/roster.rs",
        "        self.tasks.abort_all();\n        let mut cut = Vec::new();\n",
        """        for (_, activity) in self.seats.values() {
            drop(activity.end());
        }
        let cut = self.seats.values().filter(|(_, activity)| activity.was_cut());
        let cut: Vec<_> = cut.map(|(_, activity)| activity.clone()).collect();
        self.tasks.abort_all();
        while self.next_gone().await.is_some() {}
        if true {
            return cut;
        }
        let mut cut = Vec::new();
""",
    ),
    (
        "who has left keeps the seat",
        "src/http/roster.rs",
        "        self.admission.leave(seat);\n",
        "",
    ),
]


def run(*words, **options):
    return subprocess.run(
        words,
        cwd=os.path.join(COPY, "tests", "interleavings"),
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def broken(root, file, before, after):
    """The text of a file, broken."""
    with open(os.path.join(root, file), encoding="utf-8") as source:
        text = source.read()
    if text.count(before) != 1:
        sys.exit(f"cannot break {file}: what is to be broken does not stand there once:\n{before}")
    return text.replace(before, after)


def main():
    if sys.argv[1:] == ["--probe"]:
        for _, file, before, after in BREAKS:
            broken(ROOT, file, before, after)
        return
    survivors = 0
    for name, file, before, after in BREAKS:
        for folder in ("src", "tests/interleavings"):
            copy = os.path.join(COPY, folder)
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(os.path.join(ROOT, folder), copy)
        text = broken(COPY, file, before, after)
        with open(os.path.join(COPY, file), "w", encoding="utf-8") as source:
            source.write(text)
        # A target folder of its own: cargo would take what is broken for fresh.
        target = os.path.join(COPY, "target")
        built = run("cargo", "build", "--quiet", "--locked", "--target-dir", target)
        if built.returncode != 0:
            sys.exit(f"cannot build what is broken in {file}:\n{built.stderr}")
        program = os.path.join(target, "debug", "interleavings")
        try:
            noticed = run(program, timeout=300).returncode != 0
        except subprocess.TimeoutExpired:
            noticed = True
        survivors += not noticed
        print(f"{'noticed' if noticed else 'NOT NOTICED':12} {name}", flush=True)
    if survivors:
        sys.exit(f"{survivors} of {len(BREAKS)} were not noticed by any model")


if __name__ == "__main__":
    main()
