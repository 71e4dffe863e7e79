"""The check as a whole: joined, judged, bisected, audited, written."""
