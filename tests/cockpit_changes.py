"""Runs in Superset's environment: what somebody does in the browser, and what the cockpits' commands make of it.

python tests/cockpit_changes.py FOLDER      prints one JSON object; FOLDER takes the export
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cockpits.application import application
from cockpits.apply import apply, compare, prune, valid_documents
from cockpits.definitions import identity
from cockpits.drift import report
from cockpits.export import export

RETIRED = identity("charts", "retired_by_a_newer_version")
FOREIGN = "2b1b4b1e-6d3c-4f0e-9b1a-0d6c5c1f7a11"


def main(folder: Path) -> dict[str, object]:
    wanted = valid_documents()
    with application():
        from superset.extensions import db
        from superset.models.slice import Slice

        def titles() -> list[str]:
            return sorted(item.slice_name for item in db.session.query(Slice))

        drift, live = compare(wanted)
        found: dict[str, object] = {"at_first": report(drift, wanted, live)}
        chart = db.session.query(Slice).filter_by(uuid=identity("charts", "facility_types")).one()
        chart.slice_name = "改过的标题"
        chart.params = json.dumps(json.loads(chart.params) | {"donut": False})
        for uuid, title in ((RETIRED, "退役图表"), (FOREIGN, "张三的图表")):
            copy = Slice(slice_name=title, viz_type="table", datasource_type="table", params="{}", uuid=uuid)
            copy.datasource_id = chart.datasource_id
            db.session.add(copy)
        db.session.commit()
        drift, live = compare(wanted)
        found["drifted"] = report(drift, wanted, live)
        found["exported"] = [str(path.relative_to(folder)) for path in export(folder)]
        found["applied"] = apply(wanted)
        found["applied_again"] = apply(wanted)
        found["pruned"] = prune(wanted)
        found["titles"] = titles()
        db.session.delete(db.session.query(Slice).filter_by(uuid=FOREIGN).one())
        db.session.commit()
        drift, live = compare(wanted)
        found["at_last"] = report(drift, wanted, live)
        return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1])), ensure_ascii=False))
