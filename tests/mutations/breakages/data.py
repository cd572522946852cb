"""What is read of sets of images."""

BY_FILE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
    ("data/supply.py", "data/test_data_stream.py"): [
        ("never mirrored", "images.flip(3), images)", "images, images)"),
        ("mirrored upside down", "images.flip(3)", "images.flip(2)"),
        (
            "every epoch in one order",
            "torch.cat([left, permutation(n, seed, epoch)])",
            "torch.cat([left, permutation(n, seed, 0)])",
        ),
        ("pixels in [0, 1]", "mul_(2).sub_(255).mul_(1 / 255)", "mul_(1 / 255)"),
    ],
    ("data/images.py", "data/test_data_images.py"): [
        ("crop of the corner", "(image.width - side) // 2, (image.height - side) // 2", "0, 0"),
        ("white border", "fill=0", "fill=255"),
        ("pixels uncounted", "if width * height > most:", "if False:"),
    ],
    ("data/eight_bits.py", "data/test_data_images.py"): [
        ("white is 255 in sixteen bits, whatever the file says", "255 - rounded if inverted else rounded", "rounded"),
        ("the high byte alone tells what is transparent", "(_low_bytes(png), 0)", "(image, 8)"),
    ],
    ("data/png.py", "data/test_data_images.py"): [
        ("checksums unread", "if zlib.crc32(view[at + 4 : end - 4]) !=", "if False and 0 !="),
    ],
    ("data/pickles.py", "data/test_pickles.py"): [
        ("any kind of array", 'if kind not in ("u1", b"u1"):', "if False:"),
        ("any flags of a kind", "if state[1:] not in", "if False and state[1:] not in"),
    ],
    ("data/formats.py", "data/test_formats.py"): [
        ("every format that Pillow has", "formats=_formats(name))", "formats=None)"),
    ],
    ("data/take.py", "data/test_archives.py"): [
        ("sizes unread", "    if size > most:\n", "    if False:\n"),
    ],
    ("data/zip_packed.py", "data/test_archives.py"): [
        ("all of a member at once", "inflater.decompress(data, left)", "inflater.decompress(data)"),
    ],
    ("data/layout.py", "data/test_layout.py"): [
        ("the last label wins", "if table.setdefault(name, label) != label:", "if table.update({name: label}):"),
    ],
    ("data/array.py", "data/test_array.py"): [
        ("checksums of images unread", "if zlib.crc32(images.data) !=", "if False and 0 !="),
        ("checksum of labels unread", "or int(numbers[1]) != rest", "or False"),
    ],
    ("data/matlab.py", "data/test_matlab.py"): [
        ("elements that reach beyond the file", "if start + size > min(end, len(data)):", "if False:"),
        ("a table without a bound", "inflater.decompress(data, MOST_INFLATED)", "inflater.decompress(data)"),
    ],
}
