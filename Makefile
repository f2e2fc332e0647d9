# journey_orch: build, install, test.  "make help" lists the targets.
EXTENSION = journey_orch
SCRIPT_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" journey_orch.control)

# The rooms, in one order: what is built, what is installed first, and what a
# room may include (only rooms to its left).  src/README.md has the map.
ROOMS = core audience capture experiment permission content outbox journey enrollment worker analytics operation module

MODULE_big = journey_orch
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard $(ROOMS:%=src/%/*.c))))
SCRIPT = journey_orch--$(SCRIPT_VERSION).sql
DATA_built = $(SCRIPT)
EXTRA_CLEAN = $(SCRIPT) .build src/journey/schema_text.inc

# "src", not "./src": with Debian's prefix map the latter loses its dot, and compiler
# caches then miss the headers.
PG_CPPFLAGS = -Isrc -DJO_VERSION='"$(SCRIPT_VERSION)"'
# Tokens are enciphered by libcrypto, which PostgreSQL itself is linked with.
SHLIB_LINK += -lcrypto

PG_CONFIG ?= $(firstword $(wildcard /usr/lib/postgresql/15/bin/pg_config) pg_config)
export PG_CONFIG

# These targets start from nothing: they install what is missing and call make
# again for the build.  All others are PGXS's, whose own "check" we replace.
OURS = check check-lint check-regress check-isolation check-pgtap check-tap installcheck model model-simulated \
       model-bugs indent check-indent typedefs demo demo-stop bench dist help
NO_INSTALLCHECK = 1
ifneq ($(filter-out $(OURS),$(or $(MAKECMDGOALS),all)),)
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error PostgreSQL 15 was not found: install postgresql-server-dev-15 or set PG_CONFIG)
endif
include $(PGXS)
endif

# PGXS tracks no header dependencies, and its bitcode pass overwrites -MMD.
HEADERS_ALL = $(wildcard src/*/*.h)
$(OBJS) $(OBJS:.o=.bc): $(HEADERS_ALL)

# The grammar of definitions is compiled in as text: schema.json is its source.
src/journey/schema_text.inc: src/journey/schema.json
	sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $< > $@
src/journey/schema.o src/journey/schema.bc: src/journey/schema_text.inc

# Objects made with other flags are made again.
$(OBJS): .build/flags
.build/flags: FORCE
	@mkdir -p .build; echo '$(PG_CFLAGS)' | cmp -s - $@ || echo '$(PG_CFLAGS)' > $@
.PHONY: FORCE $(OURS)

STATE_SQL = $(wildcard $(ROOMS:%=src/%/state.sql))
CODE_SQL  = $(wildcard $(ROOMS:%=src/%/code.sql))

# CREATE OR REPLACE becomes CREATE, so that the script never adopts an object
# that somebody made before.
$(SCRIPT): src/core/preamble.sql $(STATE_SQL) $(CODE_SQL) journey_orch.control
	cat src/core/preamble.sql $(foreach r,$(ROOMS),$(wildcard src/$(r)/state.sql)) \
	    $(foreach r,$(ROOMS),$(wildcard src/$(r)/code.sql)) \
	  | sed 's/^CREATE OR REPLACE /CREATE /' > $@

# Tests: test/README.md says which kind goes where.  ONLY="name ..." limits a
# kind, CDNOW=path names the purchases for test/tap/cdnow.pl.
ifneq ($(filter check,$(MAKECMDGOALS)),)
check:
	@test/run.sh
endif
check-lint check-regress check-isolation check-pgtap check-tap: check-%:
	@test/run.sh $*
installcheck:
	@INSTALLED=1 test/run.sh regress isolation

# The engine against a model written from docs/journeys.md: HISTORIES random
# histories (10,000) from FIRST (0) on; SEED=n plays history n and shrinks it.
model:
	@test/model/run.sh

# simulate() against what really happened, on HISTORIES (1,000) of them.
model-simulated:
	@PLAYER=simulated.py HISTORIES=$${HISTORIES:-1000} test/model/run.sh

# Plants each bug of test/model/bugs, and looks whether the model tells; ONLY="name ..." some.
model-bugs:
	@test/model/bugs.sh

# The layout of the C sources, by pg_bsd_indent.
indent:
	@scripts/indent
check-indent:
	@scripts/indent --check && echo "indent: every source is laid out"
typedefs:
	@scripts/typedefs > typedefs.list

# A small shop with its own data, ten virtual days of it, and what came of them.
demo:
	@scripts/demo.sh start
demo-stop:
	@scripts/demo.sh stop

bench:
	@bench/run.sh

dist:
	git archive --format zip --prefix=journey_orch-$(SCRIPT_VERSION)/ -o journey_orch-$(SCRIPT_VERSION).zip HEAD

help:
	@echo "all install        build, install into the PostgreSQL of PG_CONFIG"
	@echo "demo demo-stop     a private server with a small shop; end it"
	@echo "check              every test, with servers of its own; check-lint, check-regress,"
	@echo "                   check-isolation, check-pgtap, check-tap are its parts"
	@echo "installcheck       regress and isolation against what is installed"
	@echo "model              10,000 random histories against a model of the language;"
	@echo "                   model-simulated: 1,000 of them against simulate();"
	@echo "                   model-bugs: does the model find planted bugs?"
	@echo "indent             lay out the C sources; check-indent only looks"
	@echo "bench              measure, one line a measure"
	@echo "dist               the zip for PGXN"
