"""Two published root-cause methods on the metrics of drills: BARO (RCAEval) and epsilon-diagnosis (PyRCA).

Run by an interpreter that has them (bench/published.txt): reads one JSON document of worlds from standard input, writes
one of answers. Each answer is the metric that a method ranks first; the caller reads from its name where it points.
"""

import contextlib
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyrca.analyzers.epsilon_diagnosis import EpsilonDiagnosis, EpsilonDiagnosisConfig


def the_file_of_baro() -> Any:
    """RCAEval's package imports every method it has, with all that those need; BARO's own file needs little."""
    where = importlib.util.find_spec("RCAEval")
    assert where is not None and where.submodule_search_locations
    path = Path(where.submodule_search_locations[0]) / "e2e" / "baro.py"
    spec = importlib.util.spec_from_file_location("baro", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.baro


baro = the_file_of_baro()


def ranked_by_baro(frame: pd.DataFrame, onset: int) -> str:
    ranks = baro(frame.assign(time=range(len(frame))), inject_time=onset)["ranks"]
    return str(ranks[0]) if ranks else ""


def ranked_by_epsilon(frame: pd.DataFrame, onset: int) -> str:
    moving = frame.loc[:, frame.iloc[:onset].std() > 0]
    if moving.shape[1] < 2:
        return ""
    method = EpsilonDiagnosis(EpsilonDiagnosisConfig(root_cause_top_k=1))
    method.train(moving.iloc[:onset])
    found = method.find_root_causes(moving.iloc[onset : onset + max(onset, 2)]).root_cause_nodes
    return str(found[0][0]) if found else ""


def main() -> None:
    np.random.seed(1)
    answers = []
    for world in json.load(sys.stdin):
        frame = pd.DataFrame(world["series"]).astype(float)
        row = {}
        for name, method in (("baro", ranked_by_baro), ("epsilon_diagnosis", ranked_by_epsilon)):
            with contextlib.redirect_stdout(io.StringIO()):
                try:
                    row[name] = method(frame, world["onset"])
                except (ValueError, IndexError, KeyError, np.linalg.LinAlgError):
                    row[name] = ""
        answers.append(row)
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
