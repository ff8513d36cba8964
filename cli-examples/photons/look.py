"""Look at the lists that came back: as long as those of the file, and filled with the numbers of the template."""

import sys

import awkward as ak
import numpy as np
import uproot

original = uproot.open({sys.argv[1]: "mini"})
friend = uproot.open({sys.argv[2]: "morphed"})
template = uproot.open({sys.argv[3]: "events"}).arrays(
    ["source_entry", "source_object", "ptcone30_morphed"], library="np"
)

lists, status = friend["ptcone30_morphed"].array(), friend["morph_status"].array()
lengths = ak.to_numpy(original["photon_n"].array()).astype(np.int64)
if not np.array_equal(ak.to_numpy(ak.num(lists)), lengths):
    sys.exit("the lists are not as long as those of the file")
places = (np.cumsum(lengths) - lengths)[template["source_entry"]] + template["source_object"]
same = np.array_equal(ak.to_numpy(ak.flatten(lists))[places], template["ptcone30_morphed"], equal_nan=True)
print(f"{len(lists)} events, {lengths.sum()} photons, of which {ak.sum((status & 1) == 0)} were selected")
print(f"the same numbers as in the template, photon by photon: {'yes' if same else 'no'}")
sys.exit(0 if same else 1)
