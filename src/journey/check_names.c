/*
 * journey/check_names.c
 *	  Do the channels, templates, topics and roles of a definition exist?
 *
 * One statement for each kind, whatever the size of the definition.  What
 * exists today may be gone tomorrow: the engine records that as the outcome of
 * the message, so this is a check for authors and no guarantee.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "core/run_as.h"
#include "journey/reader.h"

/* Hash key of a name: its kind, the name, and the channel of a template. */
static char *
use_key(const JoNameUse *use)
{
	return psprintf("%d/%s%s%s", (int) use->kind, use->name,
					use->channel ? "\n" : "", use->channel ? use->channel : "");
}

/* Hash table of strings of any length. */
static uint32
string_pointer_hash(const void *key, Size keysize)
{
	const char *text = *(const char *const *) key;

	return DatumGetUInt32(hash_any((const unsigned char *) text, strlen(text)));
}

static int
string_pointer_match(const void *a, const void *b, Size keysize)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static HTAB *
create_name_table(void)
{
	HASHCTL		control = {0};

	control.keysize = sizeof(char *);
	control.entrysize = sizeof(char *);
	control.hash = string_pointer_hash;
	control.match = string_pointer_match;
	control.hcxt = CurrentMemoryContext;
	return hash_create("journey_orch names", 256, &control,
					   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

/* The distinct names of a kind, as text[]. */
static Datum
names_of(JoReader *reader, JoNameKind kind)
{
	Datum	   *names = palloc(sizeof(Datum) * (list_length(reader->name_uses) + 1));
	HTAB	   *seen = create_name_table();
	ListCell   *cell;
	int			n = 0;

	foreach(cell, reader->name_uses)
	{
		JoNameUse  *use = lfirst(cell);
		bool		found;

		if (use->kind != kind)
			continue;
		(void) hash_search(seen, &use->name, HASH_ENTER, &found);
		if (!found)
			names[n++] = CStringGetTextDatum(use->name);
	}
	hash_destroy(seen);
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Put what exists of "kind" into "known". */
static void
load_names(JoReader *reader, JoNameKind kind, HTAB *known,
		   MemoryContext context)
{
	static const char *const queries[] = {
		"SELECT channel::text, NULL::text FROM journey_orch.channel"
		" WHERE channel = ANY ($1)",
		"SELECT DISTINCT name, channel FROM journey_orch.message_template"
		" WHERE name = ANY ($1)",
		"SELECT topic, NULL::text FROM journey_orch.message_topic"
		" WHERE topic = ANY ($1)",
		"SELECT rolname::text, NULL::text FROM pg_catalog.pg_roles"
		" WHERE rolname = ANY ($1)"
	};
	Oid			argtypes[1] = {TEXTARRAYOID};
	Datum		args[1];

	args[0] = names_of(reader, kind);
	if (SPI_execute_with_args(queries[kind], 1, argtypes, args, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look up names");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		MemoryContext oldcontext = MemoryContextSwitchTo(context);
		JoNameUse	use = {
			.kind = kind,
			.name = SPI_getvalue(tuple, desc, 1),
			.channel = SPI_getvalue(tuple, desc, 2)
		};
		char	   *key = use_key(&use);

		(void) hash_search(known, &key, HASH_ENTER, NULL);
		MemoryContextSwitchTo(oldcontext);
	}
}

static void
add_missing(JoReader *reader, const JoNameUse *use)
{
	switch (use->kind)
	{
		case JO_NAME_CHANNEL:
			jo_finding_add(reader->findings, JO_FINDING_UNKNOWN_CHANNEL,
						   use->path, NULL, "channel \"%s\" does not exist",
						   use->name);
			break;
		case JO_NAME_TEMPLATE:
			jo_finding_add(reader->findings, JO_FINDING_UNKNOWN_TEMPLATE,
						   use->path, NULL,
						   "template \"%s\" does not exist for channel \"%s\"",
						   use->name, use->channel);
			break;
		case JO_NAME_TOPIC:
			jo_finding_add(reader->findings, JO_FINDING_UNDECLARED_TOPIC,
						   use->path, NULL, "topic \"%s\" is not declared",
						   use->name);
			break;
		case JO_NAME_ROLE:
			jo_finding_add(reader->findings, JO_FINDING_UNKNOWN_ROLE,
						   use->path, NULL, "role \"%s\" does not exist",
						   use->name);
			break;
	}
}

void
jo_check_names(JoReader *reader)
{
	MemoryContext context = CurrentMemoryContext;
	HTAB	   *known;
	ListCell   *cell;
	JoRunAs		saved;

	if (reader->name_uses == NIL)
		return;
	known = create_name_table();
	jo_run_as_extension(&saved);
	SPI_connect();
	load_names(reader, JO_NAME_CHANNEL, known, context);
	load_names(reader, JO_NAME_TEMPLATE, known, context);
	load_names(reader, JO_NAME_TOPIC, known, context);
	load_names(reader, JO_NAME_ROLE, known, context);
	SPI_finish();
	jo_run_as_end(&saved);

	foreach(cell, reader->name_uses)
	{
		JoNameUse  *use = lfirst(cell);
		char	   *key = use_key(use);

		if (hash_search(known, &key, HASH_FIND, NULL) == NULL)
			add_missing(reader, use);
	}
	hash_destroy(known);
}
