"""Operations a second by their outcome, and below them the faults, as SVG."""
import html

WIDTH, LEFT, TOP, BARS, LANE = 1140, 90, 30, 200, 20
COLOURS = {"ok": "#4c956c", "failed": "#e9a23b", "unknown": "#c8553d"}
FAULTS = {
    "kill": "#c8553d", "killall": "#8c1c13", "stop": "#e76f51", "pause": "#7a5195", "isolate": "#2f6690", "split": "#16425b",
    "partial": "#3a7ca5", "oneway": "#81c3d7", "netem": "#e9a23b", "full": "#6c584c", "nearly_full": "#a98467", "clock": "#f4a6c1"}


def picture(lines, title):
    operations = [line for line in lines if "outcome" in line]
    faults = [line for line in lines if line["type"] == "fault"]
    end = max((line.get("return", line["call"]) for line in operations + faults), default=0)
    seconds = int(end / 1e9) + 1
    scale = (WIDTH - LEFT - 10) / seconds
    counts = {outcome: [0] * seconds for outcome in COLOURS}
    for line in operations:
        counts[line["outcome"]][int(line.get("return", line["call"]) / 1e9)] += 1
    highest = max((sum(column) for column in zip(*counts.values())), default=0) or 1
    lanes = sorted({name for fault in faults for name in fault["nodes"]})
    height = TOP + BARS + 30 + LANE * len(lanes) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        text(LEFT, 18, f"operations per second ({title}); highest {highest}"),
    ]
    for second in range(seconds):
        bottom = TOP + BARS
        for outcome, colour in COLOURS.items():
            tall = BARS * counts[outcome][second] / highest
            if tall:
                bottom -= tall
                parts.append(box(LEFT + second * scale, bottom, max(scale - 0.5, 0.3), tall, colour, f"{counts[outcome][second]} {outcome}"))
    step = next(step for step in (1, 5, 10, 30, 60, 300, 600, 3600, 86400) if seconds / step <= 20)
    for second in range(0, seconds, step):
        parts.append(text(LEFT + second * scale, TOP + BARS + 16, f"{second} s"))
    for index, name in enumerate(lanes):
        top = TOP + BARS + 26 + index * LANE
        parts.append(text(10, top + 14, name))
        for fault in faults:
            if name in fault["nodes"]:
                left, wide = LEFT + fault["call"] / 1e9 * scale, (fault["return"] - fault["call"]) / 1e9 * scale
                parts.append(box(left, top + 3, max(wide, 2), LANE - 6, FAULTS.get(fault["kind"], "grey"), fault["kind"]))
    for index, (name, colour) in enumerate([*COLOURS.items(), *FAULTS.items()]):
        left = 10 + index * 75
        parts += [box(left, height - 20, 10, 10, colour, name), text(left + 14, height - 11, name)]
    return "\n".join([*parts, "</svg>\n"])


def box(left, top, wide, tall, colour, label):
    return (f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{colour}">'
            f"<title>{html.escape(label)}</title></rect>")


def text(left, top, content):
    return f'<text x="{left:.1f}" y="{top:.1f}">{html.escape(content)}</text>'
