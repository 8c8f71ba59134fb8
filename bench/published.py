"""Two published root-cause methods on the metrics of drills: BARO (RCAEval) and epsilon-diagnosis (PyRCA).

Run by an interpreter that has them (bench/published.txt): reads one JSON document of worlds from standard input, writes
one of answers. Each answer is the metric that a method ranks first; the caller reads from its name where it points.
"""

import contextlib
import io
import json
import sys

import numpy as np
import pandas as pd
from pyrca.analyzers.epsilon_diagnosis import EpsilonDiagnosis, EpsilonDiagnosisConfig
from RCAEval.e2e.baro import baro


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
