#!/usr/bin/env python3
"""Prints the table of scripts/inspect-kernels.sh, which names the columns and makes what this reads.

Usage: scripts/inspect-kernels.py [--markdown] [--families] [--kernels REGEX] OBJECT...

Reads OBJECT.log (of ptxas), OBJECT.sass and OBJECT.symbols.
"""
import argparse
import collections
import pathlib
import re
import subprocess

ENUMS = {"HalfType": ["bf16", "fp16"], "CacheType": ["fp32", "bf16", "fp16"]}
SIZES = {"128": 128, "64": 64, "U8": 8, "S8": 8, "U16": 16, "S16": 16}
DIVISION = re.compile(r"__cuda_sm\d+_(div|rem)_[su]64")
MOST = ("reg", "spill st", "ld", "stack", "smem")  # of which a family has the largest
COUNTS = ("STG128", "64", "32", "less", "LDG128", "64 ", "32 ", "less ", "copies", "HMMA", "LDSM", "LDL", "STL", "CALL", "division",
          "BAR", "MUFU", "all")


def short_name(demangled):
    """Function and template arguments, without namespaces: gelu<8, bf16>."""
    name = re.sub(r"^void |sparse_transformer::|\(anonymous namespace\)::|union_kernels::|row_kernels::", "", demangled)
    for enum, values in ENUMS.items():
        name = re.sub(rf"\({enum}\)(\d+)", lambda match, values=values: values[int(match[1])], name)
    name = re.sub(r"HalfNumber<(\w+)> ?", r"\1", name).replace("float", "fp32")
    function, *arguments = re.match(r"([^<(]*)(<.*?>(?=\())?", name).groups("")
    return function.replace("_kernel", "") + "".join(arguments)


def demangle(names):
    result = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return dict(zip(names, map(short_name, result.stdout.splitlines())))


def resources(log):
    """What ptxas says of each kernel: {mangled name: {column: number}}."""
    kernels = {}
    for entry in re.split(r"Compiling entry function ", log)[1:]:
        number = lambda pattern: int((re.search(pattern, entry) or [0, 0])[1])
        kernels[entry.split("'")[1]] = {
            "reg": number(r"Used (\d+) registers"), "spill st": number(r"(\d+) bytes spill stores"),
            "ld": number(r"(\d+) bytes spill loads"), "stack": number(r"(\d+) bytes stack"), "smem": number(r"(\d+) bytes smem")}
    return kernels


def division_addresses(symbols):
    """{kernel: {addresses of functions that divide}}, by the section that both are in."""
    kernels, divisions = {}, collections.defaultdict(set)
    for line in symbols.splitlines():
        match = re.search(r"([0-9a-f]{16}) .* FUNC .* (\d+) (\S+)$", line)
        if match is None:
            continue
        address, section, name = int(match[1], 16), match[2], match[3]
        if DIVISION.search(name):
            divisions[section].add(address)
        elif not name.startswith("$"):
            kernels[name] = section
    return {name: divisions[section] for name, section in kernels.items()}


def count(instructions, divisions):
    """Counts (opcode with its modifiers, operands) by column."""
    counts = collections.Counter()
    for opcode, operands in instructions:
        name, *modifiers = opcode.split(".")
        if name == "NOP":
            continue
        counts["all"] += 1
        if name in ("STG", "ST", "LDG", "LD"):
            bits = next((SIZES[modifier] for modifier in modifiers if modifier in SIZES), 32)
            is_store = name.startswith("ST")
            column = {128: "STG128" if is_store else "LDG128", 64: "64", 32: "32"}.get(bits, "less")
            counts[column + (" " if not is_store and bits != 128 else "")] += 1
        elif name == "LDGSTS":
            counts["copies"] += 1
        elif name == "CALL":
            counts["CALL"] += 1
            counts["division"] += int(operands.split()[0], 16) in divisions
        elif name in COUNTS:
            counts[name] += 1
    return counts


def rows_of(path):
    """(source/name, numbers by column) of each kernel in an object."""
    read = lambda ending: pathlib.Path(f"{path}.{ending}").read_text()
    source = path.split(".")[-2]
    known, divisions = resources(read("log")), division_addresses(read("symbols"))
    short = demangle(list(known))
    for function in read("sass").split("Function : ")[1:]:
        name = function.split(maxsplit=1)[0]
        instructions = re.findall(r"/\*[0-9a-f]{4,}\*/ +(?:@!?U?P\w+ +)?([A-Z][\w.]*) *([^;]*);", function)
        yield f"{source}/{short[name]}", {**known[name], **count(instructions, divisions.get(name, set()))}


def by_family(rows):
    families = collections.defaultdict(list)
    for name, numbers in rows:
        families[name.split("<")[0]].append(numbers)
    for family, members in families.items():
        numbers = {column: max(member[column] for member in members) for column in MOST}
        numbers |= {column: sum(member.get(column, 0) for member in members) for column in COUNTS}
        yield f"{family} ({len(members)})", numbers


def print_table(rows, markdown):
    columns = [column for column in MOST + COUNTS if column != "division"]
    table = [["kernel"] + columns]
    for name, numbers in rows:
        cells = {column: str(numbers.get(column, 0)) for column in columns}
        if numbers.get("division"):
            cells["CALL"] += f" ({numbers['division']})"
        table.append([name] + list(cells.values()))
    if markdown:
        table.insert(1, ["---"] + ["---:"] * len(columns))
        for row in table:
            print("| " + " | ".join(cell.strip() for cell in row) + " |")
        return
    widths = [max(map(len, column)) for column in zip(*table)]
    for name, *numbers in table:
        print(name.ljust(widths[0]), *(number.strip().rjust(width) for number, width in zip(numbers, widths[1:])))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("objects", nargs="+")
    options.add_argument("--markdown", action="store_true")
    options.add_argument("--families", action="store_true")
    options.add_argument("--kernels", default="")
    given = options.parse_args()
    rows = [row for path in given.objects for row in rows_of(path) if re.search(given.kernels, row[0])]
    rows.sort(key=lambda row: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", row[0])])
    print_table(by_family(rows) if given.families else rows, given.markdown)


if __name__ == "__main__":
    main()
