"""The old platform's export, synthesised: what a vendor of 2019 would hand over, dirt included.

Belongs here: the population and its care as numbers, the old platform's shapes, the writers of its file formats, the
dirt and the truth about it. README.md is the interface document of the old platform.
Does not belong here: anything that reads the export; the migration does, and it never reads the truth.

Nobody in it is real: people, IDs, phones, organisations and positions are drawn at random; divisions and the census are
real (see `huiyang/reference`).
"""

from migration.sample.export import ExportedFile, ExportSummary, read_manifest, write_export

__all__ = ["ExportSummary", "ExportedFile", "read_manifest", "write_export"]
