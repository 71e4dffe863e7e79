"""What a team with its own camera has after a day of photographing: scenes taken with a
narrow and a wide aperture.
"""

import cv2

from tests.data.aperture_photos import PHOTOS, defocused, moved_camera, photo, save

# Four scenes from each photograph; those of the last one are held out.
_PARTS = ((0.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.4, 0.4))
_PART = 0.6
_SIZE_PX = (420, 300)


def write_day(folder):
    """Fills `folder` with narrow/, wide/, and of another photograph held_narrow/ and held_wide/."""
    number = 0
    for name in PHOTOS:
        picture = photo(name)
        height, width = picture.shape[:2]
        for top, left in _PARTS:
            rows = slice(int(top * height), int((top + _PART) * height))
            columns = slice(int(left * width), int((left + _PART) * width))
            narrow = cv2.resize(picture[rows, columns], _SIZE_PX, interpolation=cv2.INTER_AREA)
            wide, _ = moved_camera(defocused(narrow, sigma_px=3.0), seed=number, share=0.01)
            kind = "held_" if name == PHOTOS[-1] else ""
            save(folder / f"{kind}narrow" / f"scene_{number:02d}.png", narrow)
            save(folder / f"{kind}wide" / f"scene_{number:02d}.png", wide)
            number += 1
    return folder
