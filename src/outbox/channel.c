/*
 * outbox/channel.c
 *	  Channels: declaring them, who may drain them, and their cache.
 *
 * The cache holds every channel with its grants; an address expression is
 * compiled when it is first asked for, so that claim() never compiles any.
 */
#include "postgres.h"

#include "catalog/pg_authid_d.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "audience/audience.h"
#include "core/cache.h"
#include "core/errors.h"
#include "core/run_as.h"
#include "outbox/internal.h"
#include "outbox/outbox.h"
#include "permission/permission.h"

typedef struct ChannelEntry
{
	JoChannel	channel;
	char	   *address_sql;
	Oid			owner;
	bool		is_compiled;	/* channel.address or channel.error is set */
	int			ngrants;
	Oid		   *grants;			/* roles that may drain it */
} ChannelEntry;

static List *entries = NIL;		/* of ChannelEntry, in the cache's context */

static JoCache channel_cache = {
	.name = "channel",
	.tables = {"channel", "channel_grant", "customer_binding"},
	.holds_expressions = true
};

typedef struct JourneyName
{
	int32		journey_id;
	char	   *name;
} JourneyName;

static List *journey_names = NIL;	/* of JourneyName */

static JoCache journey_name_cache = {
	.name = "journey name",
	.tables = {"journey"}
};

/* For the gates: does any channel ask for consent by itself? */
static bool
needs_consent(void)
{
	ListCell   *cell;
	bool		needs = false;

	jo_channel_cache_begin();
	foreach(cell, entries)
	{
		const JoChannel *channel = &((ChannelEntry *) lfirst(cell))->channel;

		needs = needs || strcmp(channel->consent, "opt_in") == 0;
	}
	jo_channel_cache_end();
	return needs;
}

void
jo_channel_init(void)
{
	jo_cache_register(&channel_cache);
	jo_cache_register(&journey_name_cache);
	jo_channels_need_consent = needs_consent;
}

/* ---- filling the caches ---- */

#define LOAD_CHANNELS \
	"SELECT c.channel, c.kind, c.drain, c.address_sql, c.owner::pg_catalog.oid," \
	" c.max_attempts, c.retry_after, c.retry_max, c.expires_after," \
	" c.rate::double precision, c.size_limit, c.consent, c.dispositions," \
	" ARRAY(SELECT g.role::pg_catalog.oid FROM journey_orch.channel_grant g" \
	"        WHERE g.channel = c.channel), c.opt_out" \
	" FROM journey_orch.channel c ORDER BY c.channel"

static void
load_grants(ChannelEntry *entry, Datum datum)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);

	entry->ngrants = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	entry->grants = palloc(Max(1, entry->ngrants) * sizeof(Oid));
	memcpy(entry->grants, ARR_DATA_PTR(array), entry->ngrants * sizeof(Oid));
}

/* A column that may be NULL, then 0. */
static Datum
read_column(HeapTuple tuple, TupleDesc descriptor, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, descriptor, column, &isnull);

	return isnull ? (Datum) 0 : value;
}

static Interval *
read_interval(HeapTuple tuple, TupleDesc descriptor, int column)
{
	Datum		value = read_column(tuple, descriptor, column);

	return value == (Datum) 0 ? NULL :
		DatumGetIntervalP(datumCopy(value, false, sizeof(Interval)));
}

/* The words of an array, ended by NULL. */
static char **
read_words(Datum array)
{
	Datum	   *elements;
	char	  **words;
	int			n;

	if (array == (Datum) 0)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, NULL, &n);
	words = palloc0((n + 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
		words[i] = TextDatumGetCString(elements[i]);
	return words;
}

static JoOptOut
read_opt_out(const char *word)
{
	if (strcmp(word, "link") == 0)
		return JO_OPT_OUT_LINK;
	return strcmp(word, "stop") == 0 ? JO_OPT_OUT_STOP : JO_OPT_OUT_NONE;
}

static ChannelEntry *
load_channel(HeapTuple tuple, TupleDesc descriptor)
{
	ChannelEntry *entry = palloc0(sizeof(ChannelEntry));
	JoChannel  *channel = &entry->channel;
	Datum		rate;

	channel->name = SPI_getvalue(tuple, descriptor, 1);
	channel->kind = SPI_getvalue(tuple, descriptor, 2);
	channel->drain = SPI_getvalue(tuple, descriptor, 3);
	entry->address_sql = SPI_getvalue(tuple, descriptor, 4);
	entry->owner = DatumGetObjectId(read_column(tuple, descriptor, 5));
	channel->max_attempts = DatumGetInt32(read_column(tuple, descriptor, 6));
	channel->retry_after = read_interval(tuple, descriptor, 7);
	channel->retry_max = read_interval(tuple, descriptor, 8);
	channel->expires_after = read_interval(tuple, descriptor, 9);
	rate = read_column(tuple, descriptor, 10);
	channel->rate = rate == (Datum) 0 ? 0 : DatumGetFloat8(rate);
	channel->size_limit = DatumGetInt32(read_column(tuple, descriptor, 11));
	channel->consent = SPI_getvalue(tuple, descriptor, 12);
	channel->dispositions = read_words(read_column(tuple, descriptor, 13));
	load_grants(entry, read_column(tuple, descriptor, 14));
	channel->opt_out = read_opt_out(SPI_getvalue(tuple, descriptor, 15));
	return entry;
}

/* Run a query of ours whose rows fill a cache; the caller has connected. */
static void
read_rows(const char *query)
{
	if (SPI_execute(query, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the tables of room outbox");
}

static void
fill_channels(void)
{
	MemoryContext caller;
	JoRunAs		saved;

	entries = NIL;
	jo_run_as_extension(&saved);
	SPI_connect();
	read_rows(LOAD_CHANNELS);
	caller = MemoryContextSwitchTo(jo_cache_context(&channel_cache));
	for (uint64 i = 0; i < SPI_processed; i++)
		entries = lappend(entries,
						  load_channel(SPI_tuptable->vals[i],
									   SPI_tuptable->tupdesc));
	MemoryContextSwitchTo(caller);
	SPI_finish();
	jo_run_as_end(&saved);
	if (OidIsValid(jo_customer_relation()))
		jo_cache_watch(&channel_cache, jo_customer_relation());
	jo_cache_filled(&channel_cache);
}

void
jo_channel_cache_begin(void)
{
	if (jo_cache_begin(&channel_cache))
		fill_channels();
}

void
jo_channel_cache_end(void)
{
	jo_cache_end(&channel_cache);
}

static ChannelEntry *
find_entry(const char *name)
{
	ListCell   *cell;

	foreach(cell, entries)
	{
		ChannelEntry *entry = lfirst(cell);

		if (strcmp(entry->channel.name, name) == 0)
			return entry;
	}
	return NULL;
}

/* What an address may see. */
static JoScope
address_scope(void)
{
	JoScope		scope = {0};

	scope.customer_type = jo_customer_type();
	scope.variables = JO_USES_CUSTOMER | JO_USES_EVENT | JO_USES_CONTEXT |
		JO_USES_JOURNEY;
	return scope;
}

JoChannel *
jo_channel_find(const char *name)
{
	ChannelEntry *entry = find_entry(name);

	if (entry == NULL)
		return NULL;
	if (!entry->is_compiled)
	{
		MemoryContext caller;
		JoScope		scope = address_scope();

		caller = MemoryContextSwitchTo(jo_cache_context(&channel_cache));
		entry->channel.address = jo_expression_compile(entry->address_sql,
													   TEXTOID, entry->owner,
													   &scope,
													   &entry->channel.error);
		entry->is_compiled = true;
		MemoryContextSwitchTo(caller);
	}
	return &entry->channel;
}

double
jo_channel_rate_of(const char *name)
{
	ChannelEntry *entry;
	double		rate;

	jo_channel_cache_begin();
	entry = find_entry(name);
	rate = entry == NULL ? 0 : entry->channel.rate;
	jo_channel_cache_end();
	return rate;
}

List *
jo_channel_names(void)
{
	List	   *names = NIL;
	ListCell   *cell;

	jo_channel_cache_begin();
	foreach(cell, entries)
		names = lappend(names,
						pstrdup(((ChannelEntry *) lfirst(cell))->channel.name));
	jo_channel_cache_end();
	return names;
}

/* ---- names of journeys ---- */

static void
fill_journey_names(void)
{
	MemoryContext caller;
	JoRunAs		saved;

	journey_names = NIL;
	jo_run_as_extension(&saved);
	SPI_connect();
	read_rows("SELECT journey_id, name FROM journey_orch.journey");
	caller = MemoryContextSwitchTo(jo_cache_context(&journey_name_cache));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		JourneyName *entry = palloc(sizeof(JourneyName));
		bool		isnull;

		entry->journey_id =
			DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i],
										SPI_tuptable->tupdesc, 1, &isnull));
		entry->name = SPI_getvalue(SPI_tuptable->vals[i],
								   SPI_tuptable->tupdesc, 2);
		journey_names = lappend(journey_names, entry);
	}
	MemoryContextSwitchTo(caller);
	SPI_finish();
	jo_run_as_end(&saved);
	jo_cache_filled(&journey_name_cache);
}

void
jo_journey_names_begin(void)
{
	if (jo_cache_begin(&journey_name_cache))
		fill_journey_names();
}

void
jo_journey_names_end(void)
{
	jo_cache_end(&journey_name_cache);
}

const char *
jo_journey_name(int32 journey_id)
{
	ListCell   *cell;

	foreach(cell, journey_names)
	{
		JourneyName *entry = lfirst(cell);

		if (entry->journey_id == journey_id)
			return entry->name;
	}
	return NULL;
}

/* ---- rights ---- */

bool
jo_is_operator(void)
{
	Oid			role = get_role_oid("journey_orch_operator", true);

	return superuser() ||
		(OidIsValid(role) && has_privs_of_role(GetUserId(), role));
}

static ChannelEntry *
get_entry(const char *name)
{
	ChannelEntry *entry = find_entry(name);

	if (entry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("channel \"%s\" does not exist", jo_clipped(name)),
				 errhint("Declare it by journey_orch.set_channel().")));
	return entry;
}

void
jo_channel_describe(const char *name, char **kind, char **consent)
{
	const JoChannel *channel;

	jo_channel_cache_begin();
	channel = &get_entry(name)->channel;
	*kind = pstrdup(channel->kind);
	*consent = pstrdup(channel->consent);
	jo_channel_cache_end();
}

void
jo_channel_ensure_exists(const char *name)
{
	jo_channel_cache_begin();
	(void) get_entry(name);
	jo_channel_cache_end();
}

/* Raise 42501 unless the current user may drain the channel. */
static void
ensure_granted(const ChannelEntry *entry)
{
	bool		is_granted = jo_is_operator();

	for (int i = 0; i < entry->ngrants && !is_granted; i++)
		is_granted = has_privs_of_role(GetUserId(), entry->grants[i]);
	if (!is_granted)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for channel \"%s\"",
						entry->channel.name),
				 errhint("An operator may call journey_orch.grant_channel('%s', '%s').",
						 entry->channel.name,
						 GetUserNameFromId(GetUserId(), false))));
}

void
jo_channel_ensure_granted(const char *name)
{
	jo_channel_cache_begin();
	ensure_granted(get_entry(name));
	jo_channel_cache_end();
}

void
jo_channel_ensure_reportable(const char *name)
{
	Oid			app = get_role_oid("journey_orch_app", true);
	ChannelEntry *entry;

	jo_channel_cache_begin();
	entry = get_entry(name);
	if ((strcmp(entry->channel.kind, "inbox") != 0 &&
		 strcmp(entry->channel.kind, "task") != 0) ||
		!OidIsValid(app) || !has_privs_of_role(GetUserId(), app))
		ensure_granted(entry);
	jo_channel_cache_end();
}

bool
jo_channel_is_of_kind(const char *name, const char *kind)
{
	ChannelEntry *entry;
	bool		is;

	jo_channel_cache_begin();
	entry = find_entry(name);
	is = entry != NULL && strcmp(entry->channel.kind, kind) == 0;
	jo_channel_cache_end();
	return is;
}

void
jo_channel_ensure_kind(const char *name, const char *kind)
{
	ChannelEntry *entry;

	jo_channel_cache_begin();
	entry = get_entry(name);
	if (strcmp(entry->channel.kind, kind) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("channel \"%s\" is of kind \"%s\", not \"%s\"", name,
						entry->channel.kind, kind)));
	jo_channel_cache_end();
}

void
jo_channel_ensure_claimable(const char *name)
{
	ChannelEntry *entry;

	jo_channel_cache_begin();
	entry = get_entry(name);
	ensure_granted(entry);
	if (strcmp(entry->channel.kind, "inbox") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("channel \"%s\" is an inbox", name),
				 errdetail("Its messages are live as soon as they are enqueued."),
				 errhint("Call journey_orch.inbox() for what a customer has.")));
	if (strcmp(entry->channel.drain, "stream") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("channel \"%s\" is drained as a stream", name),
				 errdetail("Its messages count as handed over when they are enqueued."),
				 errhint("Read table journey_orch.outbox by change-data-capture, or declare the channel with drain => 'claim'.")));
	jo_channel_cache_end();
}
