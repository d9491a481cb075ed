"""What a worker starts for a run in place of Prefect's engine: it hands the run to a process that is warm (flows.workers.ready).

It ends as the run ends. Whoever stops this one, as an operator does who cancels a run, ends that one. It loads nothing.
"""

import os
import socket
import sys


def hand(path: str, run_id: str) -> int:
    """Have a run done by the process that listens at `path`. Returns its exit status; 1 where it has gone."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(f"{run_id}\n".encode())
        answer = connection.makefile().readline()
    return int(answer or 1)


if __name__ == "__main__":
    sys.exit(hand(sys.argv[1], os.environ["PREFECT__FLOW_RUN_ID"]))
