/*
 * content/sender.c
 *	  Who messages come from: set_sender(), and the cache of senders.
 *
 * There is one default sender, and a topic may have its own.  What a topic's
 * sender leaves out is the default's, so that a second brand needs only a name.
 * A row never changes: another content is another version, which keeps who
 * changed an address and when.
 *
 * The base URL is what stands before the paths of unsubscribe and preference
 * links.  It goes into a header between angle brackets, so it may hold nothing
 * but what is literal there, and only https is taken: RFC 8058 asks for it, and
 * a token must not travel in clear.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "content/sender.h"
#include "core/cache.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"

PG_FUNCTION_INFO_V1(journey_orch_set_sender);

/* As long as a label of a definition may be. */
#define NAME_BYTES 200

/* Five lines of an envelope. */
#define ADDRESS_BYTES 500

/* With path and token it must fit into a line of 998 bytes (RFC 5322). */
#define URL_BYTES 300

/* Arguments of set_sender(), in order. */
enum
{
	ARG_NAME,
	ARG_POSTAL_ADDRESS,
	ARG_BASE_URL,
	ARG_TOPIC
};

static JoCache sender_cache = {
	.name = "senders",
	.tables = {"message_sender"}
};

/* In the cache's context; the default sender, if there is one, is first. */
static JoSender *senders = NULL;
static int	nsenders = 0;

void
jo_sender_init(void)
{
	jo_cache_register(&sender_cache);
}

/* ---- finding ---- */

#define LOAD_SENDERS \
	"SELECT t.topic, t.name, coalesce(t.postal_address, d.postal_address)," \
	" coalesce(t.base_url, d.base_url)" \
	" FROM (SELECT DISTINCT ON (topic) * FROM journey_orch.message_sender" \
	"        ORDER BY topic, version DESC) AS t" \
	" LEFT JOIN (SELECT DISTINCT ON (topic) * FROM journey_orch.message_sender" \
	"             WHERE topic = '' ORDER BY topic, version DESC) AS d ON true" \
	" ORDER BY t.topic"

static void
load_senders(void)
{
	MemoryContext caller;
	bool		pushes = !ActiveSnapshotSet();
	JoRunAs		saved;

	if (pushes)
		PushActiveSnapshot(GetTransactionSnapshot());
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute(LOAD_SENDERS, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the senders");
	caller = MemoryContextSwitchTo(jo_cache_context(&sender_cache));
	nsenders = SPI_processed;
	senders = palloc0(sizeof(JoSender) * Max(nsenders, 1));
	for (int i = 0; i < nsenders; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	descriptor = SPI_tuptable->tupdesc;

		senders[i].topic = SPI_getvalue(tuple, descriptor, 1);
		senders[i].name = SPI_getvalue(tuple, descriptor, 2);
		senders[i].postal_address = SPI_getvalue(tuple, descriptor, 3);
		senders[i].base_url = SPI_getvalue(tuple, descriptor, 4);
	}
	MemoryContextSwitchTo(caller);
	SPI_finish();
	jo_run_as_end(&saved);
	if (pushes)
		PopActiveSnapshot();
	jo_cache_filled(&sender_cache);
}

void
jo_sender_cache_begin(void)
{
	if (jo_cache_begin(&sender_cache))
		load_senders();
}

void
jo_sender_cache_end(void)
{
	jo_cache_end(&sender_cache);
}

const JoSender *
jo_sender_find(const char *topic)
{
	for (int i = 0; i < nsenders && topic != NULL; i++)
		if (strcmp(senders[i].topic, topic) == 0)
			return &senders[i];
	return nsenders > 0 && senders[0].topic[0] == '\0' ? &senders[0] : NULL;
}

/* ---- declaring ---- */

/* A text argument without blanks at its ends; NULL when it is NULL.  Raises
 * when nothing is left of it, or too much. */
static char *
text_argument(FunctionCallInfo fcinfo, int argument, const char *name,
			  int max_bytes)
{
	Datum		trimmed;
	char	   *value;

	if (PG_ARGISNULL(argument))
		return NULL;
	trimmed = DirectFunctionCall2(btrim, PG_GETARG_DATUM(argument),
								  CStringGetTextDatum(" \t\r\n"));
	value = TextDatumGetCString(trimmed);
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of %s() must not be empty",
						name, "set_sender")));
	if (strlen(value) > max_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of %s() is longer than %d bytes",
						name, "set_sender", max_bytes)));
	return value;
}

/* Raise unless the text is of printable characters; "also" may be there too. */
static void
ensure_printable(const char *name, const char *value, const char *also)
{
	for (const char *c = value; *c != '\0'; c++)
		if (((unsigned char) *c < ' ' && strchr(also, *c) == NULL) ||
			*c == 0x7f)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"%s\" of %s() holds a control character",
							name, "set_sender")));
}

/* Raise unless it is an https URL that a path may follow; slashes at its end
 * are cut off. */
static void
ensure_base_url(char *url)
{
	static const char scheme[] = "https://";
	size_t		length = strlen(url);
	size_t		host;

	host = strncmp(url, scheme, strlen(scheme)) == 0 ?
		strspn(url + strlen(scheme), "abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") : 0;
	if (host > 0 && url[strlen(scheme)] != '.' && url[strlen(scheme)] != '-' &&
		strchr(":/", url[strlen(scheme) + host]) != NULL &&
		strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			   "0123456789-._~/:%") == length)
	{
		while (url[length - 1] == '/')
			url[--length] = '\0';
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" cannot be a base URL", jo_clipped(url)),
			 errhint("Write https, a host and perhaps a path, such as https://shop.example/mail.")));
}

/* Write the row as the next version of its topic unless the current one says
 * the same; returns the version, 0: it does. */
static int
store(const JoSender *sender)
{
	Oid			types[4] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[4];
	char		nulls[5] = "    ";
	int			version = 0;
	JoRunAs		saved;
	bool		isnull;

	values[0] = CStringGetTextDatum(sender->topic);
	values[1] = CStringGetTextDatum(sender->name);
	nulls[2] = sender->postal_address == NULL ? 'n' : ' ';
	values[2] = sender->postal_address == NULL ? (Datum) 0 :
		CStringGetTextDatum(sender->postal_address);
	nulls[3] = sender->base_url == NULL ? 'n' : ' ';
	values[3] = sender->base_url == NULL ? (Datum) 0 :
		CStringGetTextDatum(sender->base_url);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("INSERT INTO journey_orch.message_sender"
							  " SELECT $1, coalesce(s.version, 0) + 1, $2, $3, $4, clock_timestamp(), session_user"
							  " FROM (SELECT 1) AS one LEFT JOIN"
							  "  (SELECT * FROM journey_orch.message_sender"
							  "    WHERE topic = $1 ORDER BY version DESC LIMIT 1) AS s ON true"
							  " WHERE s.version IS NULL OR (s.name, s.postal_address, s.base_url)"
							  "  IS DISTINCT FROM ($2, $3, $4)"
							  " RETURNING version",
							  4, types, values, nulls, false, 0) != SPI_OK_INSERT_RETURNING)
		elog(ERROR, "could not write a sender");
	if (SPI_processed > 0)
		version = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
											  SPI_tuptable->tupdesc, 1,
											  &isnull));
	SPI_finish();
	jo_run_as_end(&saved);
	return version;
}

/*
 * set_sender(name, postal_address, base_url, topic) → 'created', 'replaced' or
 * 'unchanged'.
 */
Datum
journey_orch_set_sender(PG_FUNCTION_ARGS)
{
	JoSender	sender;
	int			version;

	if (PG_ARGISNULL(ARG_NAME))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						"name", "set_sender")));
	sender.name = text_argument(fcinfo, ARG_NAME, "name", NAME_BYTES);
	sender.postal_address = text_argument(fcinfo, ARG_POSTAL_ADDRESS,
										  "postal_address", ADDRESS_BYTES);
	sender.base_url = text_argument(fcinfo, ARG_BASE_URL, "base_url",
									URL_BYTES);
	sender.topic = text_argument(fcinfo, ARG_TOPIC, "topic", NAME_BYTES);
	ensure_printable("name", sender.name, "");
	if (sender.postal_address != NULL)
		ensure_printable("postal_address", sender.postal_address, "\n");
	if (sender.base_url != NULL)
		ensure_base_url(sender.base_url);
	if (sender.topic == NULL)
		sender.topic = pstrdup("");

	jo_leaf_ensure();
	jo_lock(JO_LOCK_NAME, jo_lock_key(psprintf("sender %s", sender.topic)));
	version = store(&sender);
	if (version > 0)
		jo_definition_changed("message_sender");
	if (version > 1)
		ereport(NOTICE,
				(sender.topic[0] == '\0' ?
				 errmsg("the default sender was replaced") :
				 errmsg("the sender of topic \"%s\" was replaced",
						sender.topic)));
	PG_RETURN_TEXT_P(cstring_to_text(version == 0 ? "unchanged" :
									 version == 1 ? "created" : "replaced"));
}
