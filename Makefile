# What a person types. Everything goes through `setup`, which is quick where .venv is up to date.

VIDEO ?=
TO ?=
OUT ?= out/demo
EXTRAS ?= train,dev
ARGS ?=
export VIDEO TO OUT

.PHONY: help setup demo test lint types bench
.NOTPARALLEL:

help: ## say this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 16

setup: ## make .venv with everything in it; EXTRAS= leaves out what only training and tests need
	@deploy/setup.sh "$(EXTRAS)"

demo: ## watch a generated drive; VIDEO=drive.mp4 TO=de watches yours, in German; ARGS= for more flags
	@$(MAKE) --no-print-directory setup EXTRAS=
	@test -n "$$VIDEO" || .venv/bin/wayside sample road out/road.mp4 --seconds 30
	@.venv/bin/wayside watch "$${VIDEO:-out/road.mp4}" --task signs $(if $(TO),--lang "$$TO") --out "$$OUT" --video $(ARGS)

test: setup ## run all tests; ARGS='-k limit' for some
	@.venv/bin/python -m pytest $(ARGS)

lint: setup ## ruff: rules and formatting
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .

types: setup ## mypy, strict
	@.venv/bin/python -m mypy

bench: setup ## frames a second of each stage, and of the whole against decoding alone
	@.venv/bin/wayside bench $(ARGS)
