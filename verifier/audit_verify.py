#!/usr/bin/env python3
"""audit_verify: judges an evidence package of a GridBridge audit log offline, with Python 3.8 or later and its standard library alone.

The second implementation of audit-verify.mjs, in another language and with signatures computed here, so that one mistake does not hide a
fault: the same commands, the same answers, the same exit codes. It shares no code with the product.

Standards: RFC 6962 and RFC 9162 (Merkle tree and proofs), C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-cosignature, tlog-proof,
RFC 8032 (Ed25519), GB/T 32918.2 (SM2) over GB/T 32905 (SM3).

Exit codes: 0 whole, 1 tampered (the first bad index is named), 2 cannot decide. 2 is never 0.
"""

import base64
import hashlib
import json
import os
import re
import struct
import sys
import zlib

FAULTS = {
    "line-unreadable": ("the line of this entry cannot be read", "该条目所在行无法读取"),
    "entry-missing": ("an entry is missing or out of order here", "此处条目缺失或次序有误"),
    "body-unreadable": ("the body of the entry cannot be read", "条目正文无法读取"),
    "leaf-differs": ("the entry is not the one whose hash lies in the tree", "条目与树中的哈希不符"),
    "column-differs": ("a column is not a copy of the body", "检索列与条目正文不一致"),
    "lane-broken": ("an entry is missing or out of order in its lane", "条目所在通道缺失或次序有误"),
    "lane-rewritten": ("the entry after it follows another one", "后一条目所接续的不是该条目"),
    "root-differs": ("the log is not the one that was signed", "日志与签名的检查点不符"),
    "log-shorter": ("the log is shorter than what was signed", "日志短于已签名的检查点"),
    "tile-differs": ("a tile does not fit the entries", "树的分片与条目不符"),
    "checkpoint-forged": ("a checkpoint is not what the key of the log signed", "检查点并非日志密钥所签"),
    "proof-fails": ("the proof does not lead to the signed root", "证明不能导出已签名的根"),
    "not-continued": ("the newer checkpoint does not continue the older one", "新检查点不是旧检查点的延续"),
    "file-differs": ("a file is not the one that the manifest names", "文件与清单所列哈希不符"),
    "file-missing": ("a file is missing", "缺少文件"),
    "file-unreadable": ("a file cannot be read", "文件无法读取"),
    "key-missing": ("no key was given that any checkpoint is signed by", "未提供可验证检查点的密钥"),
    "anchor-unusable": ("a kept checkpoint is not signed by a key that was given", "留存的检查点不是所给密钥签署"),
    "version-newer": ("entries are of a newer version than this program", "条目版本高于本程序"),
    "usage": ("the command was used wrongly", "命令用法有误"),
}


class CannotDecide(Exception):
    """Something needed is not there."""

    def __init__(self, fault, file):
        super().__init__(fault)
        self.verdict = {"state": "undecided", "fault": fault, "file": file}


def tampered(fault, index, up_to, file):
    """The first bad place is at `index` or behind it and before `up_to`."""
    return {"state": "tampered", "index": index, "upTo": up_to, "fault": fault, "file": file}


# ---------------------------------------------------------------------------------------------------------------------------- bytes, text


def read_base64(text):
    """Strict base64: what does not spell back to the same text is none."""
    if not isinstance(text, str):
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode() == text else None


def no_constant(name):
    raise ValueError(name)


def read_json(data):
    """An object; None for anything else."""
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_file(file):
    if not os.path.exists(file):
        raise CannotDecide("file-missing", os.path.basename(file))
    with open(file, "rb") as opened:
        return opened.read()


def read_text(file):
    try:
        return read_file(file).decode("utf-8")
    except UnicodeDecodeError:
        raise CannotDecide("file-unreadable", os.path.basename(file)) from None


def is_index(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value) and 0 <= value < 2**53


def same(one, other):
    """The same simple value of JSON: true is not 1, and what is made of parts is a copy of nothing."""
    return not isinstance(one, (dict, list)) and isinstance(one, bool) == isinstance(other, bool) and one == other


# ------------------------------------------------------------------------------------------------------------------------------------ SM3

WORD = 0xFFFFFFFF


def rotate(value, by):
    by %= 32
    return ((value << by) | (value >> (32 - by))) & WORD


SM3_T = [rotate(0x79CC4519 if step < 16 else 0x7A879D8A, step) for step in range(64)]


def sm3_compress(state, block):
    """One block of 64 bytes, GB/T 32905-2016 §5.3."""
    words = list(struct.unpack(">16I", block))
    for step in range(16, 68):
        mixed = words[step - 16] ^ words[step - 9] ^ rotate(words[step - 3], 15)
        mixed ^= rotate(mixed, 15) ^ rotate(mixed, 23)
        words.append(mixed ^ rotate(words[step - 13], 7) ^ words[step - 6])
    a, b, c, d, e, f, g, h = state
    for step in range(64):
        turned = rotate(a, 12)
        first = rotate((turned + e + SM3_T[step]) & WORD, 7)
        second = first ^ turned
        if step < 16:
            one, other = a ^ b ^ c, e ^ f ^ g
        else:
            one, other = (a & b) | (a & c) | (b & c), (e & f) | (~e & g & WORD)
        third = (one + d + second + (words[step] ^ words[step + 4])) & WORD
        fourth = (other + h + first + words[step]) & WORD
        a, b, c, d = third, a, rotate(b, 9), c
        e, f, g, h = fourth ^ rotate(fourth, 9) ^ rotate(fourth, 17), e, rotate(f, 19), g
    return [old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h))]


def pure_sm3(data):
    state = [0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E]
    padded = data + b"\x80" + b"\x00" * ((55 - len(data)) % 64) + struct.pack(">Q", 8 * len(data))
    for start in range(0, len(padded), 64):
        state = sm3_compress(state, padded[start : start + 64])
    return struct.pack(">8I", *state)


class PureSm3:
    """In the form of hashlib, for a Python whose OpenSSL has no SM3. Slow: some 300 kB/s."""

    def __init__(self):
        self.data = []

    def update(self, data):
        self.data.append(data)

    def digest(self):
        return pure_sm3(b"".join(self.data))

    def hexdigest(self):
        return self.digest().hex()


def new_sm3():
    try:
        return hashlib.new("sm3")
    except ValueError:
        return PureSm3()


def sm3(data):
    hashed = new_sm3()
    hashed.update(data)
    return hashed.digest()


def sha256(data):
    return hashlib.sha256(data).digest()


HASHES = {"sha256": sha256, "sm3": sm3}

# ---------------------------------------------------------------------------------------------------------------------------- Merkle tree


def root_of(digest, subtrees):
    """The root over perfect subtrees, the largest first."""
    if not subtrees:
        return digest(b"")
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = digest(b"\x01" + left + root)
    return root


def subtree_sizes(size):
    return [1 << bit for bit in range(size.bit_length() - 1, -1, -1) if size >> bit & 1]


def root_by_path(digest, index, leaf, size, proof):
    """RFC 9162 §2.1.3.2; None where the path cannot be one of this leaf."""
    if index >= size:
        return None
    place, last, root = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return None
        if place & 1 or place == last:
            root = digest(b"\x01" + step + root)
            if not place & 1:
                while place and not place & 1:
                    place, last = place >> 1, last >> 1
        else:
            root = digest(b"\x01" + root + step)
        place, last = place >> 1, last >> 1
    return root if last == 0 else None


def is_continued(older, newer, proof):
    """RFC 9162 §2.1.4.2."""
    digest = HASHES[newer["tree"]]
    if older["size"] == newer["size"]:
        return not proof and older["root"] == newer["root"]
    if older["size"] == 0:
        return not proof and older["root"] == digest(b"")
    steps = list(proof)
    if older["size"] & (older["size"] - 1) == 0:
        steps.insert(0, older["root"])
    if not steps:
        return False
    place, last = older["size"] - 1, newer["size"] - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    one = other = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            one, other = digest(b"\x01" + step + one), digest(b"\x01" + step + other)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            other = digest(b"\x01" + other + step)
        place, last = place >> 1, last >> 1
    return last == 0 and one == older["root"] and other == newer["root"]


def tile_path(level, index, width):
    groups = ["%03d" % (index % 1000)]
    index //= 1000
    while index:
        groups.insert(0, "x%03d" % (index % 1000))
        index //= 1000
    return "tile/%d/%s%s" % (level, "/".join(groups), "" if width == 256 else ".p/%d" % width)


# ---------------------------------------------------------------------------------------------------------------- Ed25519, RFC 8032 §5.1

ED_P = 2**255 - 19
ED_L = 2**252 + 27742317777372353535851937790883648493
ED_D = -121665 * pow(121666, ED_P - 2, ED_P) % ED_P
ED_I = pow(2, (ED_P - 1) // 4, ED_P)


def ed_recover(data):
    """A point of 32 bytes in extended coordinates; None where there is none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= ED_P:
        return None
    square = (y * y - 1) * pow(ED_D * y * y + 1, ED_P - 2, ED_P) % ED_P
    x = pow(square, (ED_P + 3) // 8, ED_P)
    if (x * x - square) % ED_P:
        x = x * ED_I % ED_P
    if (x * x - square) % ED_P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = ED_P - x
    return (x, y, 1, x * y % ED_P)


def ed_add(one, other):
    a = (one[1] - one[0]) * (other[1] - other[0]) % ED_P
    b = (one[1] + one[0]) * (other[1] + other[0]) % ED_P
    c = 2 * one[3] * other[3] * ED_D % ED_P
    d = 2 * one[2] * other[2] % ED_P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % ED_P, g * h % ED_P, f * g % ED_P, e * h % ED_P)


def ed_multiply(times, point):
    total = (0, 1, 1, 0)
    while times:
        if times & 1:
            total = ed_add(total, point)
        point = ed_add(point, point)
        times >>= 1
    return total


ED_BASE = ed_recover((4 * pow(5, ED_P - 2, ED_P) % ED_P).to_bytes(32, "little"))


def is_signed_by_ed25519(public_key, message, signature):
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key = ed_recover(public_key)
    s = int.from_bytes(signature[32:], "little")
    if key is None or s >= ED_L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % ED_L
    minus = (ED_P - key[0], key[1], key[2], ED_P - key[3])
    x, y, z, _ = ed_add(ed_multiply(s, ED_BASE), ed_multiply(k, minus))
    inverse = pow(z, ED_P - 2, ED_P)
    encoded = (y * inverse % ED_P) | ((x * inverse % ED_P & 1) << 255)
    return encoded.to_bytes(32, "little") == signature[:32]


# ------------------------------------------------------------------------------------------------------------ SM2, GB/T 32918.2-2016 §7

SM2_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
SM2_A = SM2_P - 3
SM2_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
SM2_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
SM2_G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
SM2_IDENTITY = b"1234567812345678"


def sm2_add(one, other):
    if one is None or other is None:
        return other if one is None else one
    if one[0] == other[0]:
        if (one[1] + other[1]) % SM2_P == 0:
            return None
        slope = (3 * one[0] * one[0] + SM2_A) * pow(2 * one[1], SM2_P - 2, SM2_P)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], SM2_P - 2, SM2_P)
    x = (slope * slope - one[0] - other[0]) % SM2_P
    return (x, (slope * (one[0] - x) - one[1]) % SM2_P)


def sm2_multiply(times, point):
    total = None
    while times:
        if times & 1:
            total = sm2_add(total, point)
        point = sm2_add(point, point)
        times >>= 1
    return total


def is_signed_by_sm2(public_key, message, signature, identity=SM2_IDENTITY):
    if len(public_key) != 65 or public_key[0] != 4 or len(signature) != 64:
        return False
    x, y = int.from_bytes(public_key[1:33], "big"), int.from_bytes(public_key[33:], "big")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    t = (r + s) % SM2_N
    if x >= SM2_P or y >= SM2_P or (y * y - (x * x * x + SM2_A * x + SM2_B)) % SM2_P:
        return False
    if not (1 <= r < SM2_N and 1 <= s < SM2_N and t):
        return False
    curve = b"".join(value.to_bytes(32, "big") for value in (SM2_A, SM2_B, *SM2_G, x, y))
    signer = sm3(struct.pack(">H", 8 * len(identity)) + identity + curve)
    point = sm2_add(sm2_multiply(s, SM2_G), sm2_multiply(t, (x, y)))
    return point is not None and (int.from_bytes(sm3(signer + message), "big") + point[0]) % SM2_N == r


# --------------------------------------------------------------------------------------------------------------- keys, notes, checkpoints


def is_signed_by_witness(public_key, message, signature):
    """C2SP tlog-cosignature: the time goes before the checkpoint into what is signed."""
    if len(signature) != 72:
        return False
    time = struct.unpack(">Q", signature[:8])[0]
    return is_signed_by_ed25519(public_key, b"cosignature/v1\ntime %d\n" % time + message, signature[8:])


# Beginning of the key, bytes behind it, how it signs, hash of the tree whose checkpoints it signs.
KEY_KINDS = (
    (b"\x01", 32, is_signed_by_ed25519, "sha256"),
    (b"\x04", 32, is_signed_by_witness, None),
    (b"\xffgm/sm2-sm3/v1", 65, is_signed_by_sm2, "sm3"),
)

KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)")


def read_key(text):
    """Reads `name+id+key`; None for anything else."""
    found = KEY.fullmatch(text)
    data = read_base64(found.group(3)) if found else None
    if data is None:
        return None
    name = found.group(1)
    key_id = sha256(name.encode() + b"\n" + data)[:4]
    for prefix, length, verify, tree in KEY_KINDS:
        if data.startswith(prefix) and len(data) == len(prefix) + length and key_id.hex() == found.group(2):
            return {"name": name, "id": key_id, "verify": verify, "tree": tree, "bytes": data[len(prefix) :]}
    return None


SIGNATURE = re.compile("— ([^\\s+]+) ([A-Za-z0-9+/]+={0,2})")


def read_note(note):
    end = note.rfind("\n\n")
    if end < 0 or not note.endswith("\n"):
        return None
    signatures = []
    for line in note[end + 2 : -1].split("\n"):
        found = SIGNATURE.fullmatch(line)
        data = read_base64(found.group(2)) if found else None
        if data is None or len(data) < 5:
            return None
        signatures.append((found.group(1), data))
    return note[: end + 1], signatures


CHECKPOINT = re.compile(r"([^\s+]+)\n(0|[1-9][0-9]{0,14})\n([A-Za-z0-9+/]{43}=)\n")


def judge_note(note, keys):
    """A checkpoint that the key of its log signed; "forged": not what a known key signed; "foreign": no known key signed it."""
    read = read_note(note)
    found = CHECKPOINT.fullmatch(read[0]) if read else None
    root = read_base64(found.group(3)) if found else None
    if root is None:
        return "foreign"
    text, signatures = read
    known = [(key, data[4:]) for name, data in signatures for key in keys if key["name"] == name and key["id"] == data[:4]]
    if not all(key["verify"](key["bytes"], text.encode(), signature) for key, signature in known):
        return "forged"
    trees = [key["tree"] for key, _ in known if key["tree"] is not None and key["name"] == found.group(1)]
    if not trees:
        return "foreign"
    cosigned = sum(1 for key, _ in known if key["tree"] is None)
    return {"origin": found.group(1), "size": int(found.group(2)), "root": root, "tree": trees[0], "cosigned": cosigned}


def read_keys(given, beside):
    """Keys that were given, as texts or as files of such lines; else those beside the evidence."""
    texts = []
    for place in given or [os.path.join(beside, "verifiers.txt")]:
        texts += [place] if given and not os.path.exists(place) else read_text(place).split("\n")
    keys = [read_key(text.strip()) for text in texts if text.strip()]
    if not keys or None in keys:
        raise CannotDecide("key-missing", "verifiers.txt")
    return keys


# ---------------------------------------------------------------------------------------------------------------------- package: what it is

TREE_PATHS = {"": "sha256", "sm3/": "sm3"}
FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
ENTRIES = "entries.ndjson.gz"


def is_list(value, holds):
    return isinstance(value, list) and all(holds(item) for item in value)


def read_manifest(folder):
    read = read_json(read_file(os.path.join(folder, "manifest.json"))) or {}

    def is_tree(tree):
        return isinstance(tree, dict) and TREE_PATHS.get(str(tree.get("path"))) == tree.get("hash") is not None

    def is_file(file):
        return isinstance(file, dict) and FILE_NAME.fullmatch(str(file.get("name"))) and is_index(file.get("bytes"))

    if not (
        read.get("format") == "gridbridge-audit-package/1"
        and read.get("kind") in ("whole", "range", "entries")
        and all(is_index(read.get(name)) for name in ("from", "to", "size"))
        and is_list(read.get("indexes"), is_index)
        and isinstance(read.get("proofs"), bool)
        and is_list(read.get("trees"), is_tree)
        and read["trees"]
        and is_list(read.get("files"), is_file)
    ):
        raise CannotDecide("file-unreadable", "manifest.json")
    return read


def check_files(folder, manifest):
    different = None
    for listed in manifest["files"]:
        file = os.path.join(folder, listed["name"])
        if not os.path.exists(file):
            return {"state": "undecided", "fault": "file-missing", "file": listed["name"]}
        hashes = (hashlib.sha256(), new_sm3())
        with open(file, "rb") as opened:
            for chunk in iter(lambda: opened.read(1 << 20), b""):
                for hashed in hashes:
                    hashed.update(chunk)
        found = [os.path.getsize(file)] + [hashed.hexdigest() for hashed in hashes]
        if found != [listed["bytes"], listed.get("sha256"), listed.get("sm3")] and different is None:
            different = tampered("file-differs", 0, 0, listed["name"])
    return different


def read_lines(file):
    """Lines of the packed entries. A file that is not packed rightly is damaged and proves nothing."""
    if not os.path.exists(file):
        raise CannotDecide("file-missing", os.path.basename(file))
    unpacker, rest = zlib.decompressobj(31), b""
    try:
        with open(file, "rb") as opened:
            for chunk in iter(lambda: opened.read(1 << 18), b""):
                rest += unpacker.decompress(chunk)
                lines = rest.split(b"\n")
                rest = lines.pop()
                yield from lines
        rest += unpacker.flush()
    except zlib.error:
        raise CannotDecide("file-unreadable", os.path.basename(file)) from None
    if not unpacker.eof:
        raise CannotDecide("file-unreadable", os.path.basename(file))
    lines = rest.split(b"\n")
    yield from lines if lines[-1] else lines[:-1]


def read_line(data):
    columns = read_json(data)
    body = read_base64(columns.get("body")) if columns else None
    if body is None or not is_index(columns.get("index")):
        return None
    return int(columns["index"]), body, columns


# ------------------------------------------------------------------------------------------------------------------------ entries and lanes

COPIES = ("laneId", "laneSeq", "entryId", "recordedAt", "type", "actor", "outcome")
OPTIONAL_COPIES = ("feed", "dataset", "count")
ABSENT = object()


class EntryCheck:
    """Checks entries against their own body and against the one before in their lane. `dense`: none between them may be missing."""

    def __init__(self, dense, lanes, begins_at_first):
        self.dense, self.lanes, self.begins_at_first = dense, dict(lanes), begins_at_first
        self.first, self.newer = None, False
        # Places whose tile has another hash, and pairs of which the later one does not follow the earlier.
        self.different, self.partings = set(), []

    def note(self, fault, index):
        first = self.first
        if fault == "leaf-differs":
            self.different.add(index)
        # That a tile still has another hash than the body of its place says most.
        if first is None or index < first["index"] or (index == first["index"] and fault == "leaf-differs"):
            self.first = tampered(fault, index, index + 1, ENTRIES)

    def earliest(self):
        """Where two part, the earlier was rewritten, unless the later is known to be. To be asked once every tile was seen."""
        for before, after in self.partings:
            if after not in self.different and (self.first is None or before < self.first["index"]):
                self.first = tampered("lane-rewritten", before, before + 1, ENTRIES)
        return self.first

    def add(self, index, body, columns, leaf, good):
        parsed = read_json(body)
        if parsed is None:
            return self.note("body-unreadable", index)
        if not same(parsed.get("v"), 1):
            self.newer = True
        copied = all(same(columns.get(name, ABSENT), parsed.get(name, ABSENT)) for name in COPIES) and all(
            same(columns.get(name), parsed.get(name)) for name in OPTIONAL_COPIES
        )
        head = leaf.hex()
        if not copied or columns.get("leaf") != head:
            self.note("column-differs", index)
        lane, seq, previous = parsed.get("laneId"), parsed.get("laneSeq"), parsed.get("previous")
        if not isinstance(lane, str) or not is_index(seq):
            return self.note("column-differs", index)
        before = self.lanes.get(lane)
        self.lanes[lane] = (seq, index, head)
        if before is None:
            if previous != "0" * 64 if seq == 1 else self.begins_at_first:
                self.note("lane-broken", index)
        elif seq <= before[0] or (self.dense and seq != before[0] + 1):
            self.note("lane-broken", index)
        elif seq == before[0] + 1 and previous != before[2]:
            # What a checkpoint has confirmed is not what was rewritten: then it is the one that names another before it.
            self.partings.append((index if before[1] < good else before[1], index))
        return None


# ---------------------------------------------------------------------------------------------------------------- whole log: build it anew


class TreeCheck:
    """Builds one tree and compares it with its tiles and with every checkpoint, in the order of their sizes."""

    def __init__(self, folder, where, state, heads, note_leaf):
        self.folder, self.path, self.name, self.note_leaf = folder, where["path"], where["hash"], note_leaf
        self.digest = HASHES[where["hash"]]
        self.begun = self.size = self.good = state["minIndex"]
        self.heads = sorted((head for head in heads if head["size"] >= self.begun), key=lambda head: head["size"])
        self.next, self.levels = 0, []
        self.contradiction = self.tile = self.missing = None
        levels = [size.bit_length() - 1 for size in subtree_sizes(self.begun)]
        self.stack = list(zip(levels, state["hashes"]))
        self.compare_heads()

    def compare_tile(self, level, first, hashes):
        name = self.path + tile_path(level, first // 256, len(hashes))
        file = os.path.join(self.folder, name)
        if not os.path.exists(file):
            self.missing = self.missing or name
            return
        written = read_file(file)
        if written == b"".join(hashes):
            return
        places = [at for at, one in enumerate(hashes) if written[32 * at : 32 * at + 32] != one]
        span = 256**level
        index = (first + (places[0] if places else 0)) * span
        if level == 0 and places:
            for at in places:
                self.note_leaf("leaf-differs", first + at)
        elif self.tile is None or index < self.tile["index"]:
            self.tile = tampered("tile-differs", index, index + span, name)

    def on_tile(self, level, one):
        if level == len(self.levels):
            self.levels.append([self.begun // 256**level, []])
        row = self.levels[level]
        row[0] += 1
        row[1].append(one)
        if row[0] % 256 == 0:
            if len(row[1]) == 256:
                self.compare_tile(level, row[0] - 256, row[1])
            row[1] = []

    def compare_heads(self):
        while self.next < len(self.heads) and self.heads[self.next]["size"] == self.size:
            if root_of(self.digest, [one for _, one in self.stack]) == self.heads[self.next]["root"]:
                self.good = self.size
            elif self.contradiction is None:
                self.contradiction = tampered("root-differs", self.good, self.size, self.path + "checkpoints.ndjson")
            self.next += 1

    def add(self, leaf):
        level, added = 0, leaf
        self.on_tile(0, leaf)
        while self.stack and self.stack[-1][0] == level:
            level, added = level + 1, self.digest(b"\x01" + self.stack.pop()[1] + added)
            if level % 8 == 0:
                self.on_tile(level // 8, added)
        self.stack.append((level, added))
        self.size += 1
        self.compare_heads()

    def end(self, size):
        for level, (count, hashes) in enumerate(self.levels):
            # A tile that began before what is there cannot be compared whole.
            if hashes and len(hashes) == count % 256:
                self.compare_tile(level, count - len(hashes), hashes)
        if self.next < len(self.heads) and self.contradiction is None:
            # What was left behind the last checkpoint that fits may be another thing than the beginning of what was there.
            self.contradiction = tampered("log-shorter", self.good, size + 1, self.path + "checkpoints.ndjson")


def read_heads(folder, where, keys, anchors):
    """The checkpoints of a package, and the first that is not signed rightly."""
    name = where["path"] + "checkpoints.ndjson"
    good, bad, forged = [], None, False
    lines = read_file(os.path.join(folder, name)).split(b"\n")
    for line in lines if lines[-1] else lines[:-1]:
        row = read_json(line) or {}
        size = int(row["size"]) if is_index(row.get("size")) else 0
        judged = judge_note(row["note"], keys) if isinstance(row.get("note"), str) else "foreign"
        if isinstance(judged, dict) and judged["size"] == size and judged["tree"] == where["hash"]:
            good.append(judged)
        elif bad is None or size < bad["index"]:
            bad = tampered("checkpoint-forged", size, size, name)
        forged = forged or judged == "forged"
    known = forged or any(anchor["tree"] == where["hash"] for anchor in anchors)
    if not good and not known:
        raise CannotDecide("key-missing", name)
    return good, bad


# Faults that name the first bad entry itself. The others show that it is there or before it, once the tree was made to fit.
EXACT = ("leaf-differs", "entry-missing", "line-unreadable")


def first_of(pinned, contradictions):
    """The first bad place: the entry where its tile has what was signed, else from the last checkpoint that fits on."""
    found = sorted((one for one in contradictions if one), key=lambda one: (one["upTo"], one["index"]))
    if pinned is None or not found:
        return pinned or (found[0] if found else None)
    if pinned["index"] >= found[0]["upTo"]:
        return found[0]
    named = pinned["fault"] in EXACT or pinned["index"] <= found[0]["index"]
    return pinned if named else {**pinned, "index": found[0]["index"]}


def verify_whole(folder, manifest, keys, anchors, state):
    if manifest["from"] != state["minIndex"]:
        raise CannotDecide("file-missing", "state")
    heads = [read_heads(folder, tree, keys, anchors) for tree in manifest["trees"]]
    lanes = state["lanes"]
    entries = EntryCheck(True, lanes or {}, lanes is not None)
    trees = []
    for tree, (good, _) in zip(manifest["trees"], heads):
        kept = [anchor for anchor in anchors if anchor["tree"] == tree["hash"]]
        trees.append(TreeCheck(folder, tree, state, good + kept, entries.note))
    size = build_trees(folder, manifest, entries, trees)
    wrong = [first_of(entries.earliest(), [tree.contradiction for tree in trees])]
    wrong += [tree.tile for tree in trees] + [bad for _, bad in heads]
    for one in wrong:
        if one is not None:
            return one
    for tree in trees:
        if tree.missing is not None:
            raise CannotDecide("file-missing", tree.missing)
    if entries.newer:
        raise CannotDecide("version-newer", ENTRIES)
    everything = [head for good, _ in heads for head in good]
    return {
        "state": "whole",
        "entries": size - manifest["from"],
        "lanes": len(entries.lanes),
        "checkpoints": len(everything),
        "anchors": len(anchors),
        "signed": max(tree.good for tree in trees),
        "cosigned": max([0] + [head["size"] for head in everything if head["cosigned"]]),
        "trees": [tree["hash"] for tree in manifest["trees"]],
    }


def build_trees(folder, manifest, entries, trees):
    size, broken = manifest["from"], False
    for data in read_lines(os.path.join(folder, ENTRIES)):
        # Read to its end all the same: a file that is damaged further on proves nothing, wherever that is.
        if broken:
            continue
        line = read_line(data)
        if line is None or line[0] != size:
            entries.note("entry-missing" if line else "line-unreadable", min(size, line[0] if line else size))
            broken = True
            continue
        leaf = None
        for tree in trees:
            hashed = tree.digest(b"\x00" + line[1])
            tree.add(hashed)
            if tree.name == "sha256":
                leaf = hashed
        good = max(tree.good for tree in trees)
        entries.add(*line, leaf if leaf is not None else sha256(b"\x00" + line[1]), good)
        size += 1
    if not broken and size < manifest["to"]:
        entries.note("entry-missing", size)
    for tree in trees:
        tree.end(size)
    return size


# ------------------------------------------------------------------------------------------------------------- part of a log: by its tiles


class TileReader:
    """Tiles of a signed tree. The root is built of the last ones; each other one has to fit the hash that its parent has of it."""

    def __init__(self, folder, where, head):
        self.folder, self.path, self.size = folder, where["path"], head["size"]
        self.digest, self.tiles, self.checked = HASHES[where["hash"]], {}, {}
        before, subtrees = 0, []
        for size in subtree_sizes(self.size):
            level = (size.bit_length() - 1) // 8
            first = before // 256**level
            at = first % 256 * 32
            subtrees.append(self.fold(self.read(level, first // 256)[at : at + size // 256**level * 32]))
            before += size
        self.rooted = root_of(self.digest, subtrees) == head["root"]

    def width(self, level, index):
        return min(256, self.size // 256**level - index * 256)

    def read(self, level, index):
        name = self.path + tile_path(level, index, self.width(level, index))
        if name not in self.tiles:
            file = os.path.join(self.folder, name)
            if not os.path.exists(file):
                raise CannotDecide("file-missing", name)
            data = read_file(file)
            if len(data) != 32 * self.width(level, index):
                raise CannotDecide("file-unreadable", name)
            self.tiles[name] = data
        return self.tiles[name]

    def fold(self, hashes):
        if len(hashes) == 32:
            return hashes
        half = len(hashes) // 2
        return self.digest(b"\x01" + self.fold(hashes[:half]) + self.fold(hashes[half:]))

    def hash_at(self, level, place):
        at = place % 256 * 32
        return self.read(level, place // 256)[at : at + 32]

    def holds(self, level, index):
        """Whether every tile above this one has the hash that is made of it."""
        if (level, index) not in self.checked:
            if self.width(level, index) < 256:
                held = self.rooted
            else:
                folded = self.fold(self.read(level, index))
                held = folded == self.hash_at(level + 1, index) and self.holds(level + 1, index // 256)
            self.checked[(level, index)] = held
        return self.checked[(level, index)]

    def leaf(self, index):
        return self.hash_at(0, index) if self.holds(0, index // 256) else None


def verify_part(folder, manifest, keys, anchors):
    size = manifest["size"]
    trees, heads, bad = [], [], None
    for tree in manifest["trees"]:
        good, wrong = read_heads(folder, tree, keys, anchors)
        bad = bad or wrong
        kept = [anchor for anchor in anchors if anchor["tree"] == tree["hash"]]
        head = next((head for head in good + kept if head["size"] == size), None)
        if head is None and wrong is None:
            raise CannotDecide("file-missing", tree["path"] + "checkpoints.ndjson")
        trees.append((tree, TileReader(folder, tree, head) if head else None, len(good)))
        heads.append(head)
    entries = EntryCheck(manifest["kind"] == "range", {}, False)
    wanted = manifest["indexes"] if manifest["kind"] == "entries" else range(manifest["from"], manifest["to"])
    tile, count, broken = None, 0, False
    for data in read_lines(os.path.join(folder, ENTRIES)):
        if broken:
            continue
        line = read_line(data)
        at = wanted[count] if count < len(wanted) else size
        if line is None or line[0] != at:
            entries.note("entry-missing" if line else "line-unreadable", min(at, line[0] if line else at))
            broken = True
            continue
        index, body, _ = line
        for tree, reader, _ in trees:
            signed = None if reader is None else reader.leaf(index) if index < size else b"\x00"
            if signed is None:
                first = index // 256 * 256
                tile = tile or tampered("tile-differs", first, min(first + 256, size), tree["path"] + "tile")
            elif signed != HASHES[tree["hash"]](b"\x00" + body):
                entries.note("leaf-differs", index)
        entries.add(*line, sha256(b"\x00" + body), 0)
        count += 1
    if not broken and count < len(wanted):
        entries.note("entry-missing", wanted[count])
    wrong = entries.earliest() or bad or tile or (check_proofs(folder, wanted, keys) if manifest["proofs"] else None)
    if wrong is not None:
        return wrong
    if entries.newer:
        raise CannotDecide("version-newer", ENTRIES)
    return {
        "state": "whole",
        "entries": count,
        "lanes": len(entries.lanes),
        "checkpoints": sum(good for _, _, good in trees),
        "anchors": len(anchors),
        "signed": size,
        "cosigned": size if any(head and head["cosigned"] for head in heads) else 0,
        "trees": [tree["hash"] for tree in manifest["trees"]],
    }


def check_proofs(folder, indexes, keys):
    heads = {}

    def judge_once(note):
        # They all have one checkpoint, and to verify a signature takes some 5 ms here.
        if note not in heads:
            heads[note] = judge_note(note, keys)
        return heads[note]

    for index in indexes:
        name = "proofs/%d.tlog-proof" % index
        verdict = judge_proof(read_text(os.path.join(folder, name)), name, judge_once)
        if verdict["state"] == "undecided":
            raise CannotDecide(verdict["fault"], name)
        if verdict["state"] == "tampered":
            return verdict
        if verdict["index"] != index:
            return tampered("proof-fails", index, index + 1, name)
    return None


# --------------------------------------------------------------------------------------------------------------------------------- commands

PROOF = re.compile(
    r"c2sp\.org/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9][0-9]{0,14})\n((?:[A-Za-z0-9+/=]+\n)*)\n([\s\S]*)"
)


def read_hashes(lines):
    hashes = [read_base64(line) for line in lines]
    return hashes if all(one is not None and len(one) == 32 for one in hashes) else None


def judge_proof(text, name, judge_head):
    """One entry by its C2SP tlog-proof, whose `extra` line is the body."""
    found = PROOF.fullmatch(text)
    body = read_base64(found.group(1)) if found else None
    proof = read_hashes(found.group(3).split("\n")[:-1]) if found else None
    if body is None or proof is None:
        return {"state": "undecided", "fault": "file-unreadable", "file": name}
    index = int(found.group(2))
    head = judge_head(found.group(4))
    if head == "foreign":
        return {"state": "undecided", "fault": "key-missing", "file": name}
    if head == "forged":
        return tampered("checkpoint-forged", index, index + 1, name)
    digest = HASHES[head["tree"]]
    if root_by_path(digest, index, digest(b"\x00" + body), head["size"], proof) != head["root"]:
        return tampered("proof-fails", index, index + 1, name)
    facts = {"index": index, "signed": head["size"], "cosigned": head["cosigned"], "trees": [head["tree"]]}
    return {"state": "whole", **facts, "body": body.decode("utf-8", "replace")}


def verify_entry(places, given):
    folder = os.path.dirname(places[0]) or "."
    beside = folder if os.path.exists(os.path.join(folder, "verifiers.txt")) else os.path.dirname(os.path.abspath(folder))
    keys = read_keys(given, beside)
    return judge_proof(read_text(places[0]), os.path.basename(places[0]), lambda note: judge_note(note, keys))


def verify_consistent(places, given):
    keys = read_keys(given, os.path.dirname(places[1]) or ".")
    older, newer = (judge_note(read_text(place), keys) for place in places[:2])
    proof = read_hashes([line for line in read_text(places[2]).split("\n") if line])
    name = os.path.basename(places[2])
    if isinstance(older, str) or isinstance(newer, str) or older["origin"] != newer["origin"]:
        if "forged" in (older, newer):
            return tampered("checkpoint-forged", 0, 0, name)
        return {"state": "undecided", "fault": "key-missing", "file": name}
    if proof is None:
        return {"state": "undecided", "fault": "file-unreadable", "file": name}
    if newer["size"] < older["size"]:
        return tampered("log-shorter", newer["size"], newer["size"] + 1, os.path.basename(places[1]))
    if not is_continued(older, newer, proof):
        return tampered("not-continued", 0, older["size"], name)
    return {"state": "whole", "from": older["size"], "signed": newer["size"], "trees": [newer["tree"]]}


def read_anchors(folder, keys):
    """Checkpoints that somebody kept: one in each file of a folder."""
    if not os.path.exists(folder):
        raise CannotDecide("file-missing", os.path.basename(folder))
    names = [name for name in os.listdir(folder) if not name.startswith(".")]
    anchors = []
    for name in sorted(name for name in names if os.path.isfile(os.path.join(folder, name))):
        judged = judge_note(read_text(os.path.join(folder, name)), keys)
        if isinstance(judged, str):
            raise CannotDecide("anchor-unusable", name)
        anchors.append(judged)
    if not anchors:
        raise CannotDecide("file-missing", os.path.basename(folder))
    return anchors


def read_state(file):
    """What was kept of a pruned log: the perfect subtrees of what is gone, the largest first, and where its lanes were."""
    read = read_json(read_file(file)) or {}
    start, hashes = read.get("minIndex"), read.get("hashes")
    hashes = read_hashes(hashes) if isinstance(hashes, list) else None
    if not is_index(start) or hashes is None or len(hashes) != len(subtree_sizes(int(start))):
        raise CannotDecide("file-unreadable", os.path.basename(file))
    lanes = read.get("lanes")
    if isinstance(lanes, list):
        lanes = {lane["laneId"]: (lane["seq"], max(0, start - 1), lane["head"]) for lane in lanes}
    else:
        lanes = None
    return {"minIndex": int(start), "hashes": hashes, "lanes": lanes}


def verify_bundle(folder, given, anchors_in=None, state_in=None):
    manifest = read_manifest(folder)
    keys = read_keys(given, folder)
    anchors = read_anchors(anchors_in, keys) if anchors_in is not None else []
    whole = manifest["kind"] == "whole"
    if not whole and any(anchor["size"] > manifest["size"] for anchor in anchors):
        raise CannotDecide("file-missing", "entries of the whole log")
    state = read_state(state_in) if state_in is not None else {"minIndex": 0, "hashes": [], "lanes": {}}
    if whole:
        verdict = verify_whole(folder, manifest, keys, anchors, state)
    else:
        verdict = verify_part(folder, manifest, keys, anchors)
    return (check_files(folder, manifest) or verdict) if verdict["state"] == "whole" else verdict


COMMANDS = {
    "bundle": (1, lambda places, given: verify_bundle(places[0], given)),
    "entry": (1, verify_entry),
    "consistent": (3, verify_consistent),
    "anchors": (2, lambda places, given: verify_bundle(places[1], given, anchors_in=places[0])),
    "pruned": (2, lambda places, given: verify_bundle(places[1], given, state_in=places[0])),
}

USAGE = """audit_verify.py bundle DIR | entry FILE.tlog-proof | consistent OLD NEW PROOF | anchors DIR LOG | pruned STATE DIR
  --verifier KEY   name+id+key, or a file of such lines; may be given again (else verifiers.txt beside the evidence)
                   公钥文本或其文件，可重复；缺省用证据旁的 verifiers.txt
  --json           one line of JSON / 输出一行 JSON
exit 0 whole 完整 · 1 tampered 被篡改 · 2 cannot decide 无法判定
"""

TITLES = {"whole": "完整 / whole", "tampered": "被篡改 / tampered", "undecided": "无法判定 / cannot decide"}
EXIT_CODES = {"whole": 0, "tampered": 1, "undecided": 2}


def parse(arguments):
    """Command and places, keys, and whether JSON is wanted; None where they are wrong."""
    places, given, wants_json, rest = [], [], False, list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--json":
            wants_json = True
        elif word == "--verifier" and rest:
            given.append(rest.pop(0))
        elif word.startswith("--verifier="):
            given.append(word[len("--verifier=") :])
        elif word.startswith("-"):
            return None
        else:
            places.append(word)
    known = places and places[0] in COMMANDS and COMMANDS[places[0]][0] == len(places) - 1
    return (places, given, wants_json) if known else None


def judge(arguments):
    parsed = parse(arguments)
    if parsed is None:
        sys.stderr.write(USAGE)
        return {"state": "undecided", "fault": "usage", "file": ""}
    (name, *places), given, _ = parsed
    try:
        return COMMANDS[name][1](places, given)
    except CannotDecide as undecided:
        return undecided.verdict
    except (OSError, KeyError, TypeError, ValueError):
        return {"state": "undecided", "fault": "file-unreadable", "file": ""}


def describe(verdict):
    lines = [TITLES[verdict["state"]]]
    if verdict["state"] != "whole":
        en, zh = FAULTS[verdict["fault"]]
        lines.append("%s / %s" % (zh, en))
    for name, fact in verdict.items():
        if name not in ("state", "fault"):
            lines.append("%s: %s" % (name, ",".join(map(str, fact)) if isinstance(fact, list) else fact))
    return "\n".join(lines) + "\n"


def main():
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stderr.reconfigure(encoding="utf-8")
    verdict = judge(sys.argv[1:])
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(verdict, ensure_ascii=False, separators=(",", ":")) + "\n")
    else:
        sys.stdout.write(describe(verdict))
    sys.exit(EXIT_CODES[verdict["state"]])


if __name__ == "__main__":
    main()
