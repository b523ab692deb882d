"""The two Grafana dashboards, made from Python: `python deploy/grafana/boards.py` writes `dashboards/*.json` beside it.

Streams and road: sixty streams on a wall, what is wrong first. Brand exposure: what was seen, and whether its account
is whole. Change them here, never in the JSON: a test makes them anew and compares. The queries name metrics as
`docs/metrics.md` has them, and a test asks a real Prometheus about every one. It knows nothing of alerts
(`deploy/prometheus/rules.yml`), but shows which fire.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, heatmap, piechart, prometheus, stat, statetimeline, table
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as styles
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.piechart import PieChartLabels, PieChartLegendValues
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

FOLDER = Path(__file__).with_name("dashboards")

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE, GREY = "green", "yellow", "orange", "red", "blue", "purple", "#808080"

STATES = {
    "ended": (0, GREY),
    "live": (1, GREEN),
    "connecting": (2, BLUE),
    "waiting": (3, YELLOW),
    "frozen": (4, ORANGE),
    "black": (5, PURPLE),
    "stalled": (6, "dark-orange"),
    "refused": (7, RED),
}
"""Each state of a stream (`streams.gap.STATES`) as a number, the worse the higher, and its colour on the wall."""

OVERLOAD = {
    0: ("nothing left out", GREEN),
    1: ("scans 2x further apart", YELLOW),
    2: ("scans 4x further apart", YELLOW),
    3: ("scans at 0.7 of the size", ORANGE),
    4: ("scans at half the size", ORANGE),
    5: ("every 2nd frame", RED),
    6: ("every 4th frame", RED),
}
"""Levels of `wayside_overload_level` (`pipeline/overload.py`): what is left out so that live streams stay in time."""

WAYSIDE_ALERTS = '{alertname=~"Wayside.+", instance=~"$instance"}'

Panel = Any  # the SDK's panel builders share their methods, but no type


# --- queries


def of(metric: str, **labels: str) -> str:
    """Return a selector for the chosen streams; a label's value may begin with an operator, as `!=late`."""
    return _selector(metric, {"instance": "=~$instance", "stream": "=~$stream", **labels})


def whole(metric: str, **labels: str) -> str:
    """Return a selector of a metric that is kept for the whole process, whatever streams are chosen."""
    return _selector(metric, {"instance": "=~$instance", **labels})


def _selector(metric: str, labels: Mapping[str, str]) -> str:
    parts = []
    for name, value in labels.items():
        operator = next((o for o in ("=~", "!~", "!=") if value.startswith(o)), "")
        parts.append(f'{name}{operator or "="}"{value.removeprefix(operator)}"')
    return f"{metric}{{{', '.join(parts)}}}"


def per_second(selector: str) -> str:
    return f"rate({selector}[$__rate_interval])"


def gained(selector: str, by: str) -> str:
    """Return by how much counters grew in the range of time that is shown.

    `increase` alone misses the first event of a series that begins with it, as a brand's does with its first exposure:
    a series that was not there when the range began counts in full.
    """
    old = f"increase({selector}[$__range]) and {selector} offset $__range"
    new = f"max_over_time({selector}[$__range]) unless {selector} offset $__range"
    return f"sum by ({by}) (({old}) or ({new}))"


def quantile(share: float, selector: str) -> str:
    return f"histogram_quantile({share}, sum by (le) ({per_second(selector)}))"


def ours(query: str) -> str:
    """Leave out the processes of others that Prometheus scrapes too."""
    return f"{query} and on (instance) {whole('wayside_build_info')}"


def or_zero(query: str) -> str:
    return f"({query}) or vector(0)"


DROP_SHARE = (
    f"sum by (instance, stream) (rate({of('wayside_frames_dropped_total', reason='!=shutdown')}[5m]))"
    f" / sum by (instance, stream) (rate({of('wayside_frames_total', result='decoded')}[5m]))"
)
AGE = f"time() - {of('wayside_stream_last_frame_timestamp_seconds')}"

LOOKED_AT = (
    f"sum by (instance, stream) (rate({of('wayside_frames_total', result='processed')}[5m]))"
    f" / sum by (instance, stream) (rate({of('wayside_frames_total', result='decoded')}[5m]))"
)
"""Share of a stream's frames of the last five minutes; `wayside_coverage_ratio` is of all the time since it began."""

STATE = (
    "sum by (instance, stream) ("
    + " or ".join(f"{code} * {of('wayside_stream_state', state=state)}" for state, (code, _) in STATES.items())
    + f") or sum by (instance, stream) ({of('wayside_stream_up')})"
)
"""A stream's state as a number of STATES; of files, which have none: live until they end."""

BAD = " or ".join(
    [
        f"{of('wayside_stream_up')} == 0",
        f"{of('wayside_stream_state', state='!~live|ended')} == 1",
        f"{of('wayside_stream_lag_seconds')} > 2",
        f"{LOOKED_AT} < 0.9",
        f"{DROP_SHARE} > 0.01",
    ]
)
"""True of a stream that a person should look at."""


def where_bad(query: str) -> str:
    return f"sum by (instance, stream) ({query}) and on (instance, stream) ({BAD})"


# --- panels


def ask(query: str, legend: str = "", *, at_once: bool = False, as_table: bool = False) -> prometheus.Dataquery:
    """at_once: one value, of the end of the range, instead of its course"""
    made = prometheus.Dataquery().expr(query).legend_format(legend or "__auto").datasource(SOURCE)
    made = made.instant() if at_once or as_table else made.range()
    return made.format(PromQueryFormat.TABLE if as_table else PromQueryFormat.TIME_SERIES)


def steps(*pairs: tuple[float | None, str]) -> build.ThresholdsConfig:
    """Colours from a value on; the first pair has None."""
    made = [model.Threshold(value=value, color=colour) for value, colour in pairs]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


ONE_IS_BAD = ((None, GREEN), (1, RED))
PLAIN = ((None, GREEN),)
LATENCY = ((None, GREEN), (0.5, ORANGE), (1, RED))
DROPS = ((None, GREEN), (0.005, ORANGE), (0.01, RED))
COVERAGE = ((None, RED), (0.9, ORANGE), (0.98, GREEN))
LOAD = ((None, GREEN), (1, YELLOW), (3, ORANGE), (5, RED))
SPOOL = ((None, GREEN), (0.25, ORANGE), (0.5, RED))


def described(panel: Panel, title: str, description: str, unit: str, width: int, height: int) -> Panel:
    return panel.title(title).description(description).unit(unit).datasource(SOURCE).span(width).height(height)


def number(
    title: str,
    description: str,
    query: str,
    *,
    unit: str = "short",
    colours: Sequence[tuple[float | None, str]] = PLAIN,
    decimals: int | None = None,
    at_once: bool = False,
    width: int = 3,
) -> Panel:
    """One large number, with its course behind it unless it is of the whole range."""
    panel = described(stat.Panel(), title, description, unit, width, 4).with_target(ask(query, at_once=at_once))
    panel = panel.thresholds(steps(*colours)).color_mode(styles.BigValueColorMode.VALUE)
    panel = panel.graph_mode(styles.BigValueGraphMode.NONE if at_once else styles.BigValueGraphMode.AREA)
    panel = panel.color_scheme(_by_threshold())
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel if decimals is None else panel.decimals(decimals)


def course(
    title: str,
    description: str,
    *queries: tuple[str, str],
    unit: str = "short",
    colours: Sequence[tuple[float | None, str]] | None = None,
    low: float | None = 0,
    high: float | None = None,
    is_stacked: bool = False,
    as_bars: bool = False,
    width: int = 8,
    height: int = 8,
) -> Panel:
    """Lines over time; queries: each with the name of its lines. colours: thresholds, drawn as dashed lines"""
    panel = described(lines.Panel(), title, description, unit, width, height)
    for query, legend in queries:
        panel = panel.with_target(ask(query, legend))
    told = common.VizLegendOptions().show_legend(True).display_mode(styles.LegendDisplayMode.TABLE)
    told = told.placement(styles.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"])
    panel = panel.legend(told.sort_by("Last *").sort_desc(True))
    panel = panel.tooltip(
        common.VizTooltipOptions().mode(styles.TooltipDisplayMode.MULTI).sort(styles.SortOrder.DESCENDING)
    )
    panel = panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    panel = panel.line_width(1).fill_opacity(70 if as_bars else 20 if is_stacked else 5)
    panel = panel.show_points(styles.VisibilityMode.NEVER)
    if as_bars:
        panel = panel.draw_style(styles.GraphDrawStyle.BARS)
    if is_stacked or as_bars:
        panel = panel.stacking(common.StackingConfig().mode(styles.StackingMode.NORMAL).group("A"))
    if low is not None:
        panel = panel.min(low)
    if high is not None:
        panel = panel.max(high)
    if colours is not None:
        dashed = common.GraphThresholdsStyleConfig().mode(styles.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(steps(*colours)).thresholds_style(dashed)
    return panel


def bars(title: str, description: str, query: str, legend: str, *, unit: str = "short", width: int = 8) -> Panel:
    panel = described(bargauge.Panel(), title, description, unit, width, 8).with_target(
        ask(query, legend, at_once=True)
    )
    panel = panel.orientation(styles.VizOrientation.HORIZONTAL).display_mode(styles.BarGaugeDisplayMode.BASIC)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])).min(0)
    return panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))


def spread(title: str, description: str, histogram: str, *, unit: str, width: int = 8) -> Panel:
    """How a histogram's values are spread, over time."""
    query = f"sum by (le) (increase({whole(histogram + '_bucket')}[$__rate_interval]))"
    target = ask(query, "{{le}}").format(PromQueryFormat.HEATMAP)
    panel = described(heatmap.Panel(), title, description, unit, width, 8).with_target(target)
    panel = panel.color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(32))
    return panel.y_axis(heatmap.YAxisConfig().unit(unit)).calculate(False).cell_gap(1)


def rows(
    title: str,
    description: str,
    columns: Sequence[tuple[str, str, str, Sequence[tuple[float | None, str]] | None]],
    *,
    keys: Sequence[str],
    sort: str,
    width: int,
    height: int,
    is_descending: bool = True,
    states: str | None = None,
) -> Panel:
    """A table with a row for each of `keys` (labels).

    columns: name, query, unit and colours of its cells; one without a name is not shown, but adds its labels
    states: the column whose numbers are those of STATES
    """
    panel = described(table.Panel(), title, description, "short", width, height)
    for _, query, _, _ in columns:
        panel = panel.with_target(ask(query, as_table=True))
    values = [f"Value #{chr(ord('A') + place)}" for place in range(len(columns))]
    if len(columns) == 1:
        values = ["Value"]  # as Grafana numbers them only where there are several
    names = dict(zip(values, (column[0] for column in columns), strict=True))
    organized = {
        "excludeByName": {"Time": True, **{value: True for value in values if not names[value]}},
        "indexByName": {name: place for place, name in enumerate([*keys, *names])},
        "renameByName": {value: name for value, name in names.items() if name},
    }
    panel = panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    panel = panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=organized))
    background = styles.TableColoredBackgroundCellOptions(mode=styles.TableCellBackgroundDisplayMode.BASIC)
    for name, _, unit, colours in columns:
        if not name:
            continue
        properties = [model.DynamicConfigValue(id_val="unit", value=unit)]
        if colours is not None:
            properties += [
                model.DynamicConfigValue(id_val="thresholds", value=steps(*colours).build()),
                model.DynamicConfigValue(id_val="color", value={"mode": "thresholds"}),
                model.DynamicConfigValue(id_val="custom.cellOptions", value=background),
            ]
        if name == states:
            properties.append(model.DynamicConfigValue(id_val="mappings", value=[_state_names()]))
        panel = panel.override_by_name(name, properties)
    if "stream" in keys:
        link = {"title": "This stream alone", "url": "/d/wayside-streams?var-stream=${__value.raw}&${__url_time_range}"}
        panel = panel.override_by_name("stream", [model.DynamicConfigValue(id_val="links", value=[link])])
    order = common.TableSortByFieldState().display_name(sort).desc(is_descending)
    return panel.sort_by([order]).no_value("nothing")


def _by_threshold() -> build.FieldColor:
    return build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)


def _state_names() -> model.ValueMap:
    return model.ValueMap(
        {
            str(code): model.ValueMappingResult(text=state, color=colour, index=code)
            for state, (code, colour) in STATES.items()
        }
    )


def _overload_names() -> model.ValueMap:
    return model.ValueMap(
        {
            str(level): model.ValueMappingResult(text=text, color=colour, index=level)
            for level, (text, colour) in OVERLOAD.items()
        }
    )


def timeline() -> Panel:
    panel = described(
        statetimeline.Panel(),
        "Each stream's state",
        "What every stream was, a line each: live, connecting, waiting to connect again, frozen or black (frames come, "
        "and show the same or nothing), stalled, refused (credentials), ended. Files are live until they end.",
        "short",
        24,
        20,
    )
    panel = panel.with_target(ask(STATE, "{{stream}}")).mappings([_state_names()])
    panel = panel.thresholds(steps(*PLAIN)).color_scheme(_by_threshold())
    panel = panel.show_value(styles.VisibilityMode.NEVER).merge_values(True).row_height(0.85).fill_opacity(80)
    legend = common.VizLegendOptions().show_legend(True).display_mode(styles.LegendDisplayMode.LIST)
    return panel.line_width(0).legend(legend.placement(styles.LegendPlacement.BOTTOM).calcs([]))


# --- the two boards


ON_SCREEN, EXPOSURES = (
    of(metric, brand="=~$brand") for metric in ("wayside_exposure_seconds_total", "wayside_impressions_total")
)
ALL_ON_SCREEN = f"sum({gained(ON_SCREEN, 'brand')})"


def streams_and_road() -> build.Dashboard:
    board = _board("wayside-streams", "Wayside: streams and road", "Whether all is watched; what the road says.")
    board = board.variables([_datasource(), _instance(), _stream()])
    _what_is_wrong(board)
    _frames(board)
    _time_and_load(board)
    _connections(board)
    _road(board)
    _process(board)
    return board


def _what_is_wrong(board: build.Dashboard) -> None:
    _row(
        board,
        "What is wrong",
        number(
            "Down",
            "Streams that give no frames: they ended or failed, stall, or are being connected to.",
            or_zero(f"count({of('wayside_stream_up')} == 0)"),
            colours=ONE_IS_BAD,
        ),
        number(
            "Frozen or black",
            "Streams whose frames come, but show the same picture or none.",
            or_zero(f"sum({of('wayside_stream_state', state='=~frozen|black')})"),
            colours=ONE_IS_BAD,
        ),
        number(
            "Stillest",
            "Time since the stillest of the streams that are up gave a frame.",
            f"max({AGE} and {of('wayside_stream_up')} == 1)",
            unit="s",
            colours=((None, GREEN), (3, ORANGE), (10, RED)),
        ),
        number(
            "Latency, 95 of 100",
            "From decoding a frame to handing what came of it to the sinks. Promised of live streams: under a second.",
            quantile(0.95, whole("wayside_end_to_end_latency_seconds_bucket")),
            unit="s",
            colours=LATENCY,
        ),
        number(
            "Dropped",
            "Share of the decoded frames that were dropped as newer ones came. Promised: under 1 %.",
            f"({or_zero('sum(' + per_second(of('wayside_frames_dropped_total', reason='!=shutdown')) + ')')})"
            f" / sum({per_second(of('wayside_frames_total', result='decoded'))})",
            unit="percentunit",
            colours=DROPS,
            decimals=2,
        ),
        number(
            "Least looked at",
            "Of the stream of which least is looked at, the share of its frames that is, over the last five minutes.",
            f"min({LOOKED_AT})",
            unit="percentunit",
            colours=COVERAGE,
            decimals=0,
        ),
        number(
            "Overload",
            "What is left out so that live streams stay in time: scans are put further apart, then made smaller, then "
            "frames are passed over.",
            f"max({whole('wayside_overload_level')})",
            colours=LOAD,
        ).mappings([_overload_names()]),
        number(
            "Frames a second",
            "Frames that have been through detection and tracking, over all chosen streams.",
            f"sum({per_second(of('wayside_frames_total', result='processed'))})",
        ),
        rows(
            "Bad streams",
            "Streams that give no frames, are not live, are more than 2 s behind, are looked at in less than 90 % of "
            "their frames, or lose more than 1 % of them. Nothing here: all is well.",
            [
                ("state", where_bad(STATE), "short", ((None, GREY),)),
                ("last frame", where_bad(AGE), "s", ((None, GREEN), (3, ORANGE), (10, RED))),
                ("frames/s", where_bad(of("wayside_stream_fps")), "short", None),
                ("lag", where_bad(of("wayside_stream_lag_seconds")), "s", ((None, GREEN), (1, ORANGE), (2, RED))),
                ("looked at", where_bad(LOOKED_AT), "percentunit", COVERAGE),
                ("coverage", where_bad(of("wayside_coverage_ratio")), "percentunit", COVERAGE),
                ("dropped", where_bad(DROP_SHARE), "percentunit", DROPS),
                (
                    "reconnects in 1 h",
                    where_bad(f"increase({of('wayside_stream_reconnects_total')}[1h])"),
                    "short",
                    ((None, GREEN), (5, ORANGE), (30, RED)),
                ),
                (
                    "unwatched in 1 h",
                    where_bad(f"increase({of('wayside_stream_gap_seconds_total')}[1h])"),
                    "s",
                    ((None, GREEN), (18, ORANGE), (180, RED)),  # 99.5 % and 95 % of an hour
                ),
            ],
            keys=("instance", "stream"),
            sort="last frame",
            width=16,
            height=10,
            states="state",
        ),
        _alerts(width=8, height=10),
        timeline(),
    )


def _frames(board: build.Dashboard) -> None:
    _row(
        board,
        "Frames",
        course(
            "What became of the frames",
            "Decoded frames are processed, dropped, sampled out, corrupt, or still in flight.",
            (f"sum by (result) ({per_second(of('wayside_frames_total', result='!=decoded'))})", "{{result}}"),
            is_stacked=True,
        ),
        course(
            "Dropped, by reason",
            "Frames a second that were dropped: as a newer one took their place (late), or as a run ended before their "
            "turn (shutdown).",
            (f"sum by (reason) ({per_second(of('wayside_frames_dropped_total'))})", "{{reason}}"),
            is_stacked=True,
        ),
        course(
            "Dropped, by stream",
            "Share of a stream's frames, over five minutes. No stream should starve another.",
            (DROP_SHARE, "{{stream}}"),
            unit="percentunit",
            colours=DROPS,
        ),
        _coverage(),
        course(
            "Rate of the streams",
            "Frames a second that each stream gives, as measured.",
            (of("wayside_stream_fps"), "{{stream}}"),
        ),
        course(
            "Speed against real time",
            "Seconds of video decoded in a second: 1 keeps up with a live stream; a file goes as fast as it can.",
            (per_second(of("wayside_video_seconds_total")), "{{stream}}"),
        ),
        course(
            "In flight",
            "Frames decoded and not yet settled: they wait, or are in a batch.",
            (of("wayside_frames_in_flight"), "{{stream}}"),
        ),
        course(
            "Waiting, by stream",
            "Frames in each stream's queue: a live one keeps the newest few, a file's decoder waits when it is full.",
            (of("wayside_queue_frames"), "{{stream}}"),
        ),
        course(
            "Scanned in full",
            "Share of the processed frames that were given a full scan; in the others, only known signs are looked at.",
            (
                f"sum by (stream) ({per_second(of('wayside_frames_scanned_total'))})"
                f" / sum by (stream) ({per_second(of('wayside_frames_total', result='processed'))})",
                "{{stream}}",
            ),
            unit="percentunit",
        ),
    )


def _time_and_load(board: build.Dashboard) -> None:
    _row(
        board,
        "Time and load",
        course(
            "Latency",
            "From decoding a frame to handing what came of it to the sinks: half, 95 and 99 of 100 frames are faster.",
            *(
                (quantile(share, whole("wayside_end_to_end_latency_seconds_bucket")), name)
                for share, name in ((0.5, "50 of 100"), (0.95, "95 of 100"), (0.99, "99 of 100"))
            ),
            unit="s",
            colours=LATENCY,
        ),
        spread(
            "Latency of all frames",
            "The same, all of it: a second band tells that something waits now and then.",
            "wayside_end_to_end_latency_seconds",
            unit="s",
        ),
        course(
            "Lag of the streams",
            "Age of the frame that was looked at last.",
            (of("wayside_stream_lag_seconds"), "{{stream}}"),
            unit="s",
            colours=((None, GREEN), (1, ORANGE), (2, RED)),
        ),
        course(
            "Overload",
            "0 nothing left out; 1, 2 scans further apart; 3, 4 smaller; 5, 6 frames passed over.",
            (whole("wayside_overload_level"), "{{instance}}"),
            colours=LOAD,
            high=max(OVERLOAD),
        ),
        course(
            "Work of each stage",
            "Seconds a stage works in one second; stages of different threads overlap. The highest takes the time.",
            (f"sum by (stage) ({per_second(whole('wayside_stage_duration_seconds_sum'))})", "{{stage}}"),
            unit="s",
        ),
        course(
            "One piece of work",
            "Mean time of a stage for one piece of its work: decode a frame, scan a batch, and so on.",
            (
                f"sum by (stage) ({per_second(whole('wayside_stage_duration_seconds_sum'))})"
                f" / sum by (stage) ({per_second(whole('wayside_stage_duration_seconds_count'))})",
                "{{stage}}",
            ),
            unit="s",
        ),
        course(
            "Frames in a batch",
            "Mean number of frames that are scanned at once: many streams fill batches.",
            (
                f"sum by (instance) ({per_second(whole('wayside_batch_frames_sum'))})"
                f" / sum by (instance) ({per_second(whole('wayside_batch_frames_count'))})",
                "{{instance}}",
            ),
        ),
        course(
            "Waiting frames",
            "Bytes of all waiting frames, and how many they may be: at the limit decoders wait, or live frames drop.",
            (whole("wayside_queue_bytes"), "{{instance}}"),
            (whole("wayside_queue_limit_bytes"), "{{instance}} limit"),
            unit="bytes",
        ),
        course(
            "Batches, by size",
            "Batches a second, by how many frames they hold at the most.",
            (f"sum by (le) ({per_second(whole('wayside_batch_frames_bucket'))})", "up to {{le}}"),
        ),
    )


def _connections(board: build.Dashboard) -> None:
    _row(
        board,
        "Connections",
        course(
            "Reconnects, by reason",
            "Connections made anew in each step of time.",
            (f"sum by (reason) (increase({of('wayside_stream_reconnects_total')}[$__rate_interval]))", "{{reason}}"),
            as_bars=True,
        ),
        course(
            "Gaps, by reason",
            "Times in which a stream was not watched, by what began them. Each is a record in the event log.",
            (f"sum by (reason) (increase({of('wayside_stream_gaps_total')}[$__rate_interval]))", "{{reason}}"),
            as_bars=True,
        ),
        course(
            "Unwatched",
            "Share of the time in which each stream was not watched.",
            (per_second(of("wayside_stream_gap_seconds_total")), "{{stream}}"),
            unit="percentunit",
            high=1,
        ),
        course(
            "Jumps of the clock",
            "Discontinuities of a stream's own clock. Nothing is bridged over one.",
            (f"increase({of('wayside_stream_discontinuities_total')}[$__rate_interval])", "{{stream}}"),
            as_bars=True,
        ),
        course(
            "Cuts",
            "Shot cuts (where they are looked for), jumps of the clock and changes of the picture's size; each ends "
            "all tracks.",
            (f"increase({of('wayside_stream_cuts_total')}[$__rate_interval])", "{{stream}}"),
            as_bars=True,
        ),
        rows(
            "Clocks",
            "How the times of each stream lie in the world's: by RTCP sender reports, HLS programme dates, a file's "
            "own time or arrival; and how far they may be off.",
            [
                (
                    "may be off by",
                    f"sum by (instance, stream, method) ({of('wayside_stream_clock_error_seconds')}"
                    f" * on (instance, stream) group_left (method) {of('wayside_stream_clock_info')})",
                    "s",
                    ((None, GREEN), (0.5, ORANGE), (2, RED)),
                )
            ],
            keys=("instance", "stream", "method"),
            sort="may be off by",
            width=8,
            height=8,
        ),
    )


def _road(board: build.Dashboard) -> None:
    _row(
        board,
        "Road",
        bars(
            "Signs told",
            "Signs told to the driver in the time that is shown, by meaning, over all streams.",
            f"sort_desc({gained(whole('wayside_signs_announced_total'), 'meaning')})",
            "{{meaning}}",
        ),
        course(
            "Told, over time",
            "Announcements a minute, over all streams.",
            (f"60 * sum ({per_second(whole('wayside_signs_announced_total'))})", "told"),
            (f"60 * sum ({per_second(whole('wayside_sightings_total'))})", "seen and passed"),
            (f"60 * sum ({per_second(whole('wayside_other_signs_total'))})", "not in the catalogue"),
        ),
        course(
            "Changes of the speed limit",
            "Changes of the limit in force, by reason.",
            (f"sum by (reason) (increase({whole('wayside_limit_changes_total')}[$__rate_interval]))", "{{reason}}"),
            as_bars=True,
        ),
        course(
            "Scores of the signs",
            "Median and lowest tenth, over an hour. A slow fall: the camera, the season or the country has changed.",
            *(
                (
                    f"histogram_quantile({share}, sum by (le) (rate({whole('wayside_sighting_score_bucket')}[1h])))",
                    name,
                )
                for share, name in ((0.5, "median"), (0.1, "lowest tenth"))
            ),
            unit="percentunit",
            low=0.5,
            high=1,
        ),
        course(
            "How long before it passes",
            "How long before a sign passes it was told, as estimated then: the median, and what 9 of 10 exceed.",
            (quantile(0.5, whole("wayside_sign_announced_ahead_seconds_bucket")), "median"),
            (quantile(0.1, whole("wayside_sign_announced_ahead_seconds_bucket")), "9 of 10 exceed"),
            unit="s",
        ),
        bars(
            "Signs seen",
            "Signs that were seen and passed in the time that is shown, by meaning, over all streams.",
            f"sort_desc({gained(whole('wayside_sightings_total'), 'meaning')})",
            "{{meaning}}",
        ),
    )


def _process(board: build.Dashboard) -> None:
    _row(
        board,
        "The process",
        course(
            "Memory",
            "Resident memory: flat over hours.",
            (
                f"{whole('process_resident_memory_bytes')} and on (instance) {whole('wayside_build_info')}",
                "{{instance}}",
            ),
            unit="bytes",
        ),
        course(
            "CPU",
            "Cores in use.",
            (ours(per_second(whole("process_cpu_seconds_total"))), "{{instance}}"),
        ),
        course(
            "Open files",
            "File descriptors: a slope is a leak, whatever the streams do.",
            (ours(whole("process_open_fds")), "{{instance}}"),
        ),
        course(
            "Written",
            "Things a second written by each sink.",
            (f"sum by (sink) ({per_second(whole('wayside_sink_items_total'))})", "{{sink}}"),
        ),
        _failed_sinks(),
        course(
            "Settings read anew",
            "Readings of the settings (SIGHUP), by how they went; a broken file changes nothing.",
            (f"sum by (result) (increase({whole('wayside_config_reloads_total')}[$__rate_interval]))", "{{result}}"),
            as_bars=True,
        ),
        rows(
            "Settings and version",
            "When the settings were last read, whether that went well, and the version that runs.",
            [
                (
                    "read at",
                    f"sum by (instance) ({whole('wayside_config_last_reload_timestamp_seconds')}) * 1000",
                    "dateTimeAsIso",
                    None,
                ),
                (
                    "went well",
                    f"sum by (instance) ({whole('wayside_config_last_reload_ok')})",
                    "bool_yes_no",
                    ((None, RED), (1, GREEN)),
                ),
                (
                    "started at",
                    f"sum by (instance) ({ours(whole('process_start_time_seconds'))}) * 1000",
                    "dateTimeAsIso",
                    None,
                ),
                ("", f"sum by (instance, version) ({whole('wayside_build_info')})", "short", None),
            ],
            keys=("instance", "version"),
            sort="instance",
            is_descending=False,
            width=12,
            height=6,
        ),
        rows(
            "Weights",
            "The models in use.",
            [("", f"sum by (instance, file, sha256) ({whole('wayside_model_info')})", "short", None)],
            keys=("instance", "file", "sha256"),
            sort="instance",
            is_descending=False,
            width=12,
            height=6,
        ),
    )


def brand_exposure() -> build.Dashboard:
    board = _board(
        "wayside-brands",
        "Wayside: brand exposure",
        "What was seen of brands, and whether the account of it is whole. To be paid by are the figures of the ledger "
        "(wayside ledger, wayside report): Prometheus estimates between its scrapes.",
    )
    board = board.variables([_datasource(), _instance(), _stream(), _brand()])
    _account(board)
    _brands(board)
    _wholeness(board)
    _delivery(board)
    return board


def _account(board: build.Dashboard) -> None:
    _row(
        board,
        "The account",
        number(
            "Seconds on screen",
            "Of exposures that ended in the time that is shown, over all chosen brands and streams.",
            ALL_ON_SCREEN,
            unit="s",
            at_once=True,
            width=4,
        ),
        number(
            "Exposures",
            "That ended in the time that is shown.",
            f"sum({gained(EXPOSURES, 'brand')})",
            at_once=True,
            width=4,
        ),
        number(
            "Brands seen",
            "Brands with an exposure in the time that is shown. Beyond 200 brands the rest count as one, `other`.",
            or_zero(f"count({gained(EXPOSURES, 'brand')} > 0)"),
            at_once=True,
            width=4,
        ),
        number(
            "Open exposures",
            "That have begun and not ended: their seconds are not counted yet.",
            f"sum({of('wayside_open_exposures')})",
            width=4,
        ),
        number(
            "Least coverage",
            "Of the stream of which least was looked at since it began, the share that was: what is not looked at "
            "cannot be counted.",
            f"min({of('wayside_coverage_ratio')})",
            unit="percentunit",
            colours=COVERAGE,
            decimals=0,
            width=4,
        ),
        number(
            "Events lost",
            "Events that were dropped, or refused and not kept, since the start. None may be.",
            or_zero(f"sum({of('wayside_events_lost_total')})"),
            colours=ONE_IS_BAD,
            width=4,
        ),
    )


def _brands(board: build.Dashboard) -> None:
    _row(
        board,
        "Brands",
        bars(
            "Seconds by brand",
            "Time on screen of exposures that ended in the time that is shown.",
            f"sort_desc({gained(ON_SCREEN, 'brand')})",
            "{{brand}}",
            unit="s",
            width=12,
        ),
        _share_of_voice(f"{gained(ON_SCREEN, 'brand')}"),
        course(
            "Seconds on screen, over time",
            "Seconds a minute that each brand was on screen; an exposure counts where it ends.",
            (f"60 * sum by (brand) ({per_second(ON_SCREEN)})", "{{brand}}"),
            unit="s",
            is_stacked=True,
            width=12,
        ),
        course(
            "Exposures, over time",
            "Exposures a minute, by brand; each counts where it ends.",
            (f"60 * sum by (brand) ({per_second(EXPOSURES)})", "{{brand}}"),
            is_stacked=True,
            width=12,
        ),
        rows(
            "By brand and stream",
            "All exposures that ended in the time that is shown.",
            [
                ("seconds", gained(ON_SCREEN, "brand, stream"), "s", None),
                ("exposures", gained(EXPOSURES, "brand, stream"), "short", None),
                (
                    "mean",
                    f"{gained(ON_SCREEN, 'brand, stream')} / {gained(EXPOSURES, 'brand, stream')}",
                    "s",
                    None,
                ),
                (
                    "share of voice",
                    f"{gained(ON_SCREEN, 'brand, stream')} / on () group_left () {ALL_ON_SCREEN}",
                    "percentunit",
                    None,
                ),
            ],
            keys=("brand", "stream"),
            sort="seconds",
            width=24,
            height=10,
        ),
    )


def _wholeness(board: build.Dashboard) -> None:
    _row(
        board,
        "Is the account whole?",
        course(
            "Open exposures",
            "That have begun and not ended, by stream. One that never falls: a board that always shows, or a fault.",
            (of("wayside_open_exposures"), "{{stream}}"),
        ),
        course(
            "Rows of the ledger",
            "Records a second, by stream: one for every ten seconds of video (0.1) and one an exposure. 0 while frames "
            "are looked at: the account stands.",
            (per_second(of("wayside_ledger_rows_total")), "{{stream}}"),
        ),
        course(
            "Evidence",
            "Bytes a second of crops, frames and clips that show each exposure.",
            (per_second(of("wayside_evidence_bytes_total")), "{{stream}}"),
            unit="Bps",
        ),
        _coverage(),
        course(
            "Unwatched",
            "Share of the time in which each stream was not watched; no exposure bridges such a gap.",
            (per_second(of("wayside_stream_gap_seconds_total")), "{{stream}}"),
            unit="percentunit",
            high=1,
        ),
        _failed_sinks(),
    )


def _delivery(board: build.Dashboard) -> None:
    _row(
        board,
        "Delivery",
        course(
            "Spools, how full",
            "Of what a spool may hold, the share that waits for its receiver.",
            (f"{of('wayside_spool_bytes')} / {of('wayside_spool_limit_bytes')}", "{{stream}} {{sink}}"),
            unit="percentunit",
            colours=SPOOL,
            high=1,
        ),
        course(
            "Waiting events",
            "Events in each spool.",
            (of("wayside_spool_events"), "{{stream}} {{sink}}"),
        ),
        course(
            "Delivered",
            "Events a second that receivers acknowledged.",
            (f"sum by (sink) ({per_second(of('wayside_events_delivered_total'))})", "{{sink}}"),
        ),
        course(
            "Attempts that failed",
            "They are repeated, later and later.",
            (f"sum by (sink) ({per_second(of('wayside_delivery_failures_total'))})", "{{sink}}"),
        ),
        course(
            "Refused for good",
            "Events that a receiver refused, put aside in `spool/*.dead.jsonl`, since the start.",
            (f"sum by (stream, sink) ({of('wayside_dead_letters_total')})", "{{stream}} {{sink}}"),
            colours=ONE_IS_BAD,
        ),
        course(
            "Lost",
            "Events that were dropped as there was no room for them, since the start.",
            (f"sum by (stream, sink) ({of('wayside_events_lost_total')})", "{{stream}} {{sink}}"),
            colours=ONE_IS_BAD,
        ),
    )


def _coverage() -> Panel:
    return course(
        "Coverage",
        "Share of each stream's time since it began that was looked at: what was dropped, passed over, damaged or "
        "lost in a gap is missing.",
        (of("wayside_coverage_ratio"), "{{stream}}"),
        unit="percentunit",
        colours=COVERAGE,
        high=1,
    )


def _failed_sinks() -> Panel:
    return course(
        "Sinks that failed",
        "A sink fails once and for all: what it should hold is incomplete from then on.",
        (f"sum by (sink) ({whole('wayside_sink_errors_total')})", "{{sink}}"),
    )


def _share_of_voice(query: str) -> Panel:
    panel = described(
        piechart.Panel(),
        "Share of voice",
        "Each brand's part of all seconds on screen of the chosen brands.",
        "s",
        12,
        8,
    )
    legend = piechart.PieChartLegendOptions().show_legend(True).display_mode(styles.LegendDisplayMode.TABLE)
    legend = legend.placement(styles.LegendPlacement.RIGHT)
    legend = legend.values([PieChartLegendValues.PERCENT, PieChartLegendValues.VALUE])
    panel = panel.with_target(ask(query, "{{brand}}", at_once=True)).legend(legend)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel = panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    return panel.display_labels([PieChartLabels.PERCENT])


def _alerts(*, width: int, height: int) -> Panel:
    return rows(
        "Alerts",
        "Which of the alerts of deploy/prometheus/rules.yml fire. docs/deploying.md says what to do about each.",
        [
            (
                "since",
                f"1000 * sum by (alertname, severity, instance, stream, sink) (ALERTS_FOR_STATE{WAYSIDE_ALERTS}"
                f' and ignoring (alertstate) ALERTS{{alertstate="firing"}})',
                "dateTimeFromNow",
                None,
            )
        ],
        keys=("severity", "alertname", "stream", "sink", "instance"),
        sort="severity",
        is_descending=False,  # page before ticket
        width=width,
        height=height,
    )


def _board(uid: str, title: str, description: str) -> build.Dashboard:
    board = build.Dashboard(title).uid(uid).description(description).tags(["wayside"]).timezone("browser")
    board = board.time("now-1h", "now").refresh("10s").tooltip(model.DashboardCursorSync.CROSSHAIR).editable()
    link = build.DashboardLink("Wayside").type(model.DashboardLinkType.DASHBOARDS).tags(["wayside"])
    board = board.link(link.keep_time(True).include_vars(True))
    fired = build.AnnotationQuery().name("Alerts").datasource(SOURCE).enable(True).icon_color(RED)
    read = build.AnnotationQuery().name("Settings read").datasource(SOURCE).enable(True).icon_color(BLUE)
    return board.annotations(
        [
            fired.expr(f'ALERTS{WAYSIDE_ALERTS} and ALERTS{{alertstate="firing", severity="page"}}'),
            read.expr(f"changes({whole('wayside_config_last_reload_timestamp_seconds')}[1m]) > 0"),
        ]
    )


def _row(board: build.Dashboard, title: str, *panels: Panel) -> None:
    board.with_row(build.Row(title))
    for panel in panels:
        board.with_panel(panel)


def _datasource() -> build.DatasourceVariable:
    return build.DatasourceVariable("datasource").label("Prometheus").type("prometheus")


def _choice(name: str, label: str, query: str) -> build.QueryVariable:
    made = build.QueryVariable(name).label(label).query(query).datasource(SOURCE)
    made = made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.NATURAL_ASC)
    everything = model.VariableOption(selected=True, text="All", value="$__all")
    return made.multi(True).include_all(True).all_value(".*").current(everything)


def _instance() -> build.QueryVariable:
    return _choice("instance", "Machine", "label_values(wayside_build_info, instance)")


def _stream() -> build.QueryVariable:
    return _choice("stream", "Stream", 'label_values(wayside_frames_total{instance=~"$instance"}, stream)')


def _brand() -> build.QueryVariable:
    return _choice("brand", "Brand", 'label_values(wayside_exposure_seconds_total{instance=~"$instance"}, brand)')


def boards() -> dict[str, str]:
    """Return each dashboard's JSON by the name of its file."""
    made = {}
    for name, board in {"streams.json": streams_and_road(), "brands.json": brand_exposure()}.items():
        built = board.build()
        for place, panel in enumerate(built.panels or (), start=1):
            panel.id_val = place
            for letter, target in enumerate(getattr(panel, "targets", None) or ()):
                target.ref_id = chr(ord("A") + letter)
        made[name] = json.dumps(built, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return made


def main() -> None:
    for name, text in boards().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
