"""The garbage collector does not hold up who is served."""

import gc

from experiment_server.limits.session import GARBAGE_THRESHOLDS
from experiment_server.server.app import serve
from experiment_server.server.settings import Settings


async def test_while_a_study_is_served_collections_leave_out_what_its_start_has_made(study_file):
    before = gc.get_threshold()
    served = []

    def ready(running):
        served.append((gc.get_threshold(), gc.get_freeze_count()))
        running.session.stopping.set()

    await serve(Settings(study_file, database=":memory:", port=0), ready)
    [(thresholds, frozen)] = served
    assert thresholds == GARBAGE_THRESHOLDS
    assert frozen > 10_000
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
