"""HS3, the JSON of the HEP Statistics Serialization Standard, as RooFit writes and reads it: both ways."""
