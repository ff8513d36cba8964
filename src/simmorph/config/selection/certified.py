"""The runs of data that are good for physics."""

from __future__ import annotations

from simmorph.config.documents import Name, Section


class CertifiedRuns(Section):
    """Which lumi sections of data are certified; simulation is not looked at."""

    file: Name
    """The list: a golden JSON of CMS, `{"273158": [[1, 1279]]}`, or a good-runs list of ATLAS in XML."""
    lumi_section: Name
    """Branch of the lumi section (CMS: `luminosityBlock`) or lumi block (ATLAS: `lbn`)."""
