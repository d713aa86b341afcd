"""An agent that drops out of every TRAIN session after masking, before the first byte of its vector leaves.

For `round_overhead.py`. It is the real agent with one failpoint, so it takes the same arguments as `autoglm-agent`.
"""

from __future__ import annotations

import sys

from autoglm_agent import session, tasks
from autoglm_agent.admission import Admitted
from autoglm_agent.command_line import main
from autoglm_core.codes import RefusalCode
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.privacy.site_events import Abort, UploadMasked


class DroppingRun(session.SessionRun):
    """A part in a session that ends where the upload would begin."""

    async def run(self, admitted: Admitted) -> None:
        """As the agent's, knowing the purpose."""
        self._drops = admitted.spec.purpose is Purpose.TRAIN
        await super().run(admitted)

    async def _upload(self, instruction: UploadMasked) -> None:
        if self._drops:
            self.put(Abort(str(RefusalCode.INTERNAL)))
        else:
            await super()._upload(instruction)


if __name__ == "__main__":
    # The failpoint: whoever makes a session's run makes this one.
    vars(tasks)["SessionRun"] = DroppingRun
    sys.exit(main())
