"""Tests, in the same rooms as the code; what several rooms use lies here."""
