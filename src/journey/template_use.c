/*
 * journey/template_use.c
 *	  Refuses a template that would make a live journey unlawful.
 *
 * publish() refuses a journey whose marketing messages do not say who sends them
 * and how to stop them.  A template has no draft: what set_template() stores is
 * what the next message says.  So the same is asked there, of the journeys that
 * are live or paused and of versions with people inside.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "content/content.h"
#include "core/run_as.h"
#include "journey/author.h"
#include "outbox/outbox.h"

#define FIND_USE \
	"SELECT d.journey, s.key FROM journey_orch.journey_definition AS d" \
	" CROSS JOIN LATERAL jsonb_each(d.definition->'steps') AS s" \
	" JOIN journey_orch.message_topic AS t ON t.topic = s.value->'send'->>'topic'" \
	" WHERE t.class = 'marketing' AND s.value->'send'->>'template' = $1" \
	" AND s.value->'send'->'channels' ? $2" \
	" AND (d.state IN ('live', 'paused') OR EXISTS" \
	"  (SELECT FROM journey_orch.enrollment AS e" \
	"    JOIN journey_orch.journey AS j USING (journey_id)" \
	"    WHERE j.name = d.journey AND e.version = d.version" \
	"     AND e.state <> 'ended'))" \
	" ORDER BY d.journey, s.key LIMIT 1"

/* A journey and step that sends the template as a marketing message; false:
 * there is none. */
static bool
find_use(const char *name, const char *channel, char **journey, char **step)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[2] = {TEXTOID, TEXTOID};
	Datum		values[2];
	JoRunAs		saved;
	bool		is_used;

	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(channel);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args(FIND_USE, 2, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for journeys that send a template");
	is_used = SPI_processed > 0;
	if (is_used)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	descriptor = SPI_tuptable->tupdesc;

		*journey = MemoryContextStrdup(caller, SPI_getvalue(row, descriptor, 1));
		*step = MemoryContextStrdup(caller, SPI_getvalue(row, descriptor, 2));
	}
	SPI_finish();
	jo_run_as_end(&saved);
	return is_used;
}

static void
ensure_lawful(const char *name, const char *channel, const JoTemplate *template)
{
	const JoChannel *entry;
	JoOptOut	form = JO_OPT_OUT_NONE;
	int			lacks;
	char	   *journey;
	char	   *step;

	jo_channel_cache_begin();
	entry = jo_channel_find(channel);
	if (entry != NULL)
		form = entry->opt_out;
	jo_channel_cache_end();
	lacks = jo_template_lacks(template, form);
	if (lacks == 0 || !find_use(name, channel, &journey, &step))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("template \"%s\" of channel \"%s\" is sent for marketing and must show %s",
					name, channel,
					lacks & JO_LACKS_ADDRESS ? "the postal address" :
					"how to stop it"),
			 errdetail("Step \"%s\" of journey \"%s\" sends it.", step, journey),
			 form == JO_OPT_OUT_LINK ?
			 errhint("Show {{ message.postal_address }} and {{ message.unsubscribe_url }} in body and HTML, or declare it under another name.") :
			 errhint("Say that an answer of STOP ends these messages, show {{ message.unsubscribe_url }}, or declare it under another name.")));
}

void
jo_template_use_init(void)
{
	jo_template_guard = ensure_lawful;
}
