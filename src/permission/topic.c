/*
 * permission/topic.c
 *	  set_topic(): declares what messages are about and what consent they need;
 *	  and the per-backend cache of what was declared.
 *
 * The gates ask once a message, so all topics are read into a cache when one
 * is first wanted.  A topic that nobody declared is of class service and needs
 * no consent.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/cache.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "permission/gate.h"

PG_FUNCTION_INFO_V1(journey_orch_set_topic);

/* As long as a label of a definition may be. */
#define NAME_BYTES 200

/* In the order of JoTopicClass and JoTopicConsent. */
static const char *const classes[] = {
	"marketing", "transactional", "service", "legal", NULL
};
static const char *const consents[] = {
	"opt_in", "opt_out", "none", NULL
};

/* Columns of message_topic. */
enum
{
	Anum_topic = 1,
	Anum_class,
	Anum_consent
};

typedef struct Topic
{
	const char *name;
	uint32		status;			/* of the hash table */
	JoTopicClass class;
	JoTopicConsent consent;
} Topic;

#define SH_PREFIX topic
#define SH_ELEMENT_TYPE Topic
#define SH_KEY_TYPE const char *
#define SH_KEY name
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) key, strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp(a, b) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static JoCache topic_cache = {
	.name = "topics",
	.tables = {"message_topic"}
};

static struct topic_hash *topics = NULL;

void
jo_topic_init(void)
{
	jo_cache_register(&topic_cache);
}

/* Place of "word" in a list that the table's constraint knows too. */
static int
place_in(const char *const *list, const char *word)
{
	for (int i = 0; list[i] != NULL; i++)
		if (strcmp(list[i], word) == 0)
			return i;
	elog(ERROR, "unexpected word \"%s\" in a topic", word);
}

static void
read_topic(TupleTableSlot *slot, void *arg)
{
	MemoryContext caller = MemoryContextSwitchTo(jo_cache_context(&topic_cache));
	bool		isnull;
	bool		found;
	char	   *name = TextDatumGetCString(slot_getattr(slot, Anum_topic, &isnull));
	Topic	   *entry = topic_insert(topics, name, &found);

	entry->class = place_in(classes, TextDatumGetCString(slot_getattr(slot, Anum_class, &isnull)));
	entry->consent = place_in(consents, TextDatumGetCString(slot_getattr(slot, Anum_consent, &isnull)));
	MemoryContextSwitchTo(caller);
}

/* The declared topic, or NULL.  The cache is in use until jo_cache_end(). */
static const Topic *
find_topic(const char *name)
{
	if (jo_cache_begin(&topic_cache))
	{
		topics = topic_create(jo_cache_context(&topic_cache), 32, NULL);
		jo_cache_read_table("message_topic", read_topic, NULL);
		jo_cache_filled(&topic_cache);
	}
	return name == NULL ? NULL : topic_lookup(topics, name);
}

JoTopicClass
jo_topic_class(const char *topic)
{
	const Topic *found = find_topic(topic);
	JoTopicClass class = found != NULL ? found->class : JO_CLASS_SERVICE;

	jo_cache_end(&topic_cache);
	return class;
}

JoTopicConsent
jo_topic_consent(const char *topic)
{
	const Topic *found = find_topic(topic);
	JoTopicConsent consent = found != NULL ? found->consent : JO_CONSENT_NONE;

	jo_cache_end(&topic_cache);
	return consent;
}

bool
jo_topic_needs_opt_in(void)
{
	bool		needs = false;
	topic_iterator iterator;
	Topic	   *entry;

	(void) find_topic(NULL);
	topic_start_iterate(topics, &iterator);
	while (!needs && (entry = topic_iterate(topics, &iterator)) != NULL)
		needs = entry->consent == JO_CONSENT_OPT_IN;
	jo_cache_end(&topic_cache);
	return needs;
}

const char *
jo_topic_class_name(JoTopicClass class)
{
	return classes[class];
}

/* Text argument that must be there, not be empty and fit into an index. */
static char *
required_text(FunctionCallInfo fcinfo, int argument, const char *name)
{
	char	   *value;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						name, "set_topic")));
	value = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of %s() must not be empty",
						name, "set_topic")));
	if (strlen(value) > NAME_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of %s() is longer than %d bytes",
						name, "set_topic", NAME_BYTES)));
	return value;
}

/* Raise unless "value" is one of the list; the hint tells the list. */
static void
ensure_one_of(const char *name, const char *value, const char *const *list)
{
	StringInfoData allowed;

	initStringInfo(&allowed);
	for (int i = 0; list[i] != NULL; i++)
	{
		if (strcmp(value, list[i]) == 0)
			return;
		appendStringInfo(&allowed, "%s%s", i > 0 ? ", " : "", list[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s \"%s\"", name, jo_clipped(value)),
			 errhint("It is one of %s.", allowed.data)));
}

/* Run one statement over the four arguments of set_topic(); returns how many
 * rows it returned or changed. */
static uint64
execute(const char *sql, Datum *values, const char *nulls)
{
	Oid			types[4] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};

	if (SPI_execute_with_args(sql, 4, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not write a topic: %s",
			 SPI_result_code_string(SPI_result));
	return SPI_processed;
}

/*
 * set_topic(topic, class, consent, description) → 'created', 'replaced' or
 * 'unchanged'.
 */
Datum
journey_orch_set_topic(PG_FUNCTION_ARGS)
{
	char	   *topic = required_text(fcinfo, 0, "topic");
	char	   *class = required_text(fcinfo, 1, "class");
	char	   *consent = required_text(fcinfo, 2, "consent");
	Datum		values[4];
	char		nulls[5] = "    ";
	const char *outcome;
	JoRunAs		saved;

	ensure_one_of("class", class, classes);
	ensure_one_of("consent", consent, consents);
	values[0] = CStringGetTextDatum(topic);
	values[1] = CStringGetTextDatum(class);
	values[2] = CStringGetTextDatum(consent);
	values[3] = (Datum) 0;
	if (PG_ARGISNULL(3))
		nulls[3] = 'n';
	else
		values[3] = PG_GETARG_DATUM(3);

	jo_leaf_ensure();
	jo_lock(JO_LOCK_NAME, jo_lock_key(psprintf("topic %s", topic)));
	jo_run_as_extension(&saved);
	SPI_connect();
	if (execute("INSERT INTO journey_orch.message_topic"
				" VALUES ($1, $2, $3, $4, clock_timestamp())"
				" ON CONFLICT (topic) DO NOTHING", values, nulls) > 0)
		outcome = "created";
	else if (execute("UPDATE journey_orch.message_topic"
					 " SET class = $2, consent = $3, description = $4,"
					 " changed_at = clock_timestamp()"
					 " WHERE topic = $1 AND (class, consent, description)"
					 " IS DISTINCT FROM ($2, $3, $4)", values, nulls) > 0)
		outcome = "replaced";
	else
		outcome = "unchanged";
	SPI_finish();
	jo_run_as_end(&saved);

	if (strcmp(outcome, "unchanged") != 0)
		jo_definition_changed("message_topic");
	if (strcmp(outcome, "replaced") == 0)
		ereport(NOTICE, (errmsg("topic \"%s\" was replaced", topic)));
	PG_RETURN_TEXT_P(cstring_to_text(outcome));
}
