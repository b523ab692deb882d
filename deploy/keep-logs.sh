#!/bin/sh
# Puts the event logs of the run before aside, since the next one begins them anew, and then becomes the command given.
#
#   keep-logs FOLDER [COMMAND...]     events.jsonl, detections.jsonl and run.json in FOLDER and in the folders of its
#                                     streams become events-20260501T120000Z.jsonl and so on, by when they were last written
#
# Spools, ledgers and evidence stay: the next run goes on with them.
set -eu
folder=$1
shift
for file in "$folder"/events.jsonl "$folder"/detections.jsonl "$folder"/run.json \
    "$folder"/*/events.jsonl "$folder"/*/detections.jsonl "$folder"/*/run.json; do
    [ -f "$file" ] || continue
    aside="${file%.*}-$(date -u -r "$file" +%Y%m%dT%H%M%SZ)"
    while [ -e "$aside.${file##*.}" ]; do aside="$aside+"; done # two runs in one second
    mv "$file" "$aside.${file##*.}"
done
[ $# -eq 0 ] || exec "$@"
