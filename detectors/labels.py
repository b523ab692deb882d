"""The classes of the sign detector: the 43 of GTSRB by number, then one for any other sign; background is none."""

SIGN_LABELS = (
    "speed_limit_20",
    "speed_limit_30",
    "speed_limit_50",
    "speed_limit_60",
    "speed_limit_70",
    "speed_limit_80",
    "speed_limit_80_end",
    "speed_limit_100",
    "speed_limit_120",
    "no_overtaking",
    "no_overtaking_trucks",
    "priority_next_intersection",
    "priority_road",
    "give_way",
    "stop",
    "no_vehicles",
    "no_trucks",
    "no_entry",
    "general_danger",
    "curve_left",
    "curve_right",
    "double_curve_left_first",
    "uneven_road",
    "slippery_road",
    "narrows_right",
    "roadworks",
    "traffic_lights",
    "pedestrians",
    "children",
    "cyclists",
    "ice_snow",
    "wild_animals",
    "end_all_restrictions",
    "turn_right",
    "turn_left",
    "ahead_only",
    "ahead_or_right",
    "ahead_or_left",
    "pass_right",
    "pass_left",
    "roundabout",
    "no_overtaking_end",
    "no_overtaking_trucks_end",
    "other_sign",
)

OTHER = 43
"""class_id of a sign that is none of the 43."""

BACKGROUND = 44
"""Output of the verifier for what is no sign; never the class_id of a detection."""

MIRRORED = {19: 20, 20: 19, 33: 34, 34: 33, 36: 37, 37: 36, 38: 39, 39: 38} | {
    c: c for c in (11, 12, 13, 15, 17, 18, 22, 25, 26, 27, 28, 29, 30, 31, 35)
}
"""What a sign becomes when its picture is mirrored; a class that is missing may not be mirrored into a sign."""
