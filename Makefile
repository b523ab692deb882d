# What a person types. Everything goes through `setup`, which is quick where .venv is up to date.

TASK ?= signs
VIDEO ?=
TO ?=
GALLERY ?=
OUT ?= out/demo$(if $(filter logos,$(TASK)),-logos)
EXTRAS ?= train,dev
ARGS ?=
MINUTES ?= 30
export VIDEO TO GALLERY OUT

DEMOS = demo-signs demo-logos
.PHONY: help setup demo $(DEMOS) test lint types bench soak
.NOTPARALLEL:

help: ## say this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 16

setup: ## make .venv with everything in it; EXTRAS= leaves out what only training and tests need
	@deploy/setup.sh "$(EXTRAS)"

demo: demo-$(TASK) ## watch a generated drive; VIDEO=drive.mp4 TO=de watches yours, in German; ARGS= for more flags
demo: ## TASK=logos: account for the brands of a generated match; VIDEO=match.mp4 GALLERY=brands.gallery: of yours

demo-signs:
	@$(MAKE) --no-print-directory setup EXTRAS=
	@test -n "$$VIDEO" || .venv/bin/wayside sample road out/road.mp4 --seconds 30
	@.venv/bin/wayside watch "$${VIDEO:-out/road.mp4}" --task signs $(if $(TO),--lang "$$TO") --out "$$OUT" --video $(ARGS)

demo-logos:
	@$(MAKE) --no-print-directory setup EXTRAS=report
	@test -n "$$VIDEO" || .venv/bin/wayside sample match out/match.mp4 --seconds 30
	@test -n "$$VIDEO$$GALLERY" || rm -f out/match.gallery
	@test -n "$$VIDEO$$GALLERY" || .venv/bin/wayside enrol out/match.brands --gallery out/match.gallery
	@.venv/bin/wayside watch "$${VIDEO:-out/match.mp4}" --task logos \
		$(or $(if $(GALLERY),--gallery "$$GALLERY"),$(if $(VIDEO),,--gallery out/match.gallery)) --out "$$OUT" --video $(ARGS)
	@.venv/bin/wayside ledger verify "$$OUT"
	@.venv/bin/wayside report "$$OUT"
	@printf '%-8s %s\n' video "$$OUT/annotated.mp4" report "$$OUT/report.html" \
		account "$$OUT/ledger.sqlite" events "$$OUT/events.jsonl"

demo-%:
	@echo "make demo: there is no TASK=$*: it is signs or logos" >&2; exit 2

test: setup ## run all tests; ARGS='-k limit' for some
	@.venv/bin/python -m pytest $(ARGS)

lint: setup ## ruff: rules and formatting
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .

types: setup ## mypy, strict
	@.venv/bin/python -m mypy

bench: setup ## frames a second of each stage, and of the whole against decoding alone
	@.venv/bin/wayside bench $(ARGS)

soak: setup ## 16 live streams that fall silent and come back, MINUTES=30; fails where anything grows
	@.venv/bin/python -m tests.soak --minutes "$(MINUTES)" $(ARGS)
