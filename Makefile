# journey_orch: build, install, test.  "make help" lists the targets.
EXTENSION = journey_orch
VERSION  := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" journey_orch.control)

# The rooms, in one order: what is built, what is installed first, and what a
# room may include (only rooms to its left).  src/README.md has the map.
ROOMS = core audience capture content outbox experiment journey enrollment worker analytics operation module

MODULE_big = journey_orch
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard $(ROOMS:%=src/%/*.c))))
SCRIPT = journey_orch--$(VERSION).sql
DATA_built = $(SCRIPT)
EXTRA_CLEAN = $(SCRIPT)

PG_CPPFLAGS = -I$(srcdir)/src
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# PGXS tracks no header dependencies, and its bitcode pass overwrites -MMD.
HEADERS_ALL = $(wildcard src/*/*.h)
$(OBJS) $(OBJS:.o=.bc): $(HEADERS_ALL)

STATE_SQL = $(wildcard $(ROOMS:%=src/%/state.sql))
CODE_SQL  = $(wildcard $(ROOMS:%=src/%/code.sql))

# CREATE OR REPLACE becomes CREATE, so that the script never adopts an object
# that somebody made before.
$(SCRIPT): src/core/preamble.sql $(STATE_SQL) $(CODE_SQL) journey_orch.control
	cat src/core/preamble.sql $(foreach r,$(ROOMS),$(wildcard src/$(r)/state.sql)) \
	    $(foreach r,$(ROOMS),$(wildcard src/$(r)/code.sql)) \
	  | sed 's/^CREATE OR REPLACE /CREATE /' > $@
