"""Reads TensorBoard's files: records of length, checksum, event, checksum."""
import struct


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = _crc_table()


def masked_crc(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(content):
    """Returns the whole records, and how many bytes of a cut one follow. Raises ValueError for a wrong checksum."""
    found, place = [], 0
    while len(content) - place >= 12:
        (size,) = struct.unpack_from("<Q", content, place)
        if struct.unpack_from("<I", content, place + 8)[0] != masked_crc(content[place:place + 8]):
            raise ValueError(f"wrong checksum of a length at byte {place}")
        end = place + 16 + size
        if end > len(content):
            break
        event = content[place + 12:end - 4]
        if struct.unpack_from("<I", content, end - 4)[0] != masked_crc(event):
            raise ValueError(f"wrong checksum of an event at byte {place}")
        found.append(event)
        place = end
    return found, len(content) - place


def fields(message):
    """The fields of a protocol buffer, {number: value}; of several with one number, the last."""
    found, place = {}, 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(message, place)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, place = _varint(message, place)
            value, place = message[place:place + size], place + size
        found[key >> 3] = value
    return found


def _varint(message, place):
    result = shift = 0
    while True:
        byte = message[place]
        result |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return result, place


def values(paths):
    """What TensorBoard shows of the files, in this order: {(tag, step): value}; a session's start drops later steps."""
    shown = {}
    for path in paths:
        for event in map(fields, records(path.read_bytes())[0]):
            step = event.get(2, 0)
            if 7 in event:
                shown = {key: value for key, value in shown.items() if key[1] < step}
            if 5 in event:
                value = fields(fields(event[5])[1])
                shown[value[1].decode(), step] = value.get(2)
    return shown
