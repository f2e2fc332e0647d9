/*
 * outbox/machine.c
 *	  Was it a machine that opened or clicked?
 *
 * Mail services fetch pictures before anybody reads, and link scanners follow
 * every link.  A provider that knows says so (detail.machine).  Else view
 * machine_agent has the rules by which they are known, each
 * with its source and date; operators add, replace and switch off.  Of the rules
 * that fit a report the first one decides: those that say "a person" come
 * before those that say "a machine", then by name.
 *
 * A rule can only see what the report tells (detail.user_agent, detail.ip,
 * detail.url), when the message was sent, and what was reported of it before or
 * in the same call.  The first of a scanner's clicks, reported alone, looks
 * like anybody's.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "catalog/pg_collation_d.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
#include "utils/timestamp.h"

#include "core/cache.h"
#include "core/clock.h"
#include "core/run_as.h"
#include "outbox/reporting.h"

/* So much of a user agent is compared. */
#define USER_AGENT_BYTES 1000

/* One rule: what is NULL, or negative, it does not look at. */
typedef struct MachineRule
{
	char	   *agent;
	bool		is_machine;
	int			nstatuses;
	char	  **statuses;
	text	   *user_agent;		/* regular expression, cases alike */
	Datum		network;		/* cidr */
	bool		has_network;
	int64		within;			/* microseconds */
	int			links;			/* different ones clicked "within" */
} MachineRule;

static List *rules = NIL;		/* of MachineRule, in the cache's context */

static JoCache machine_cache = {
	.name = "machine agent",
	.tables = {"machine_rule"}
};

void
jo_machine_init(void)
{
	jo_cache_register(&machine_cache);
}

/* ---- the rules ---- */

#define LOAD_RULES \
	"SELECT m.agent, m.is_machine, m.statuses, m.user_agent, m.network," \
	" (EXTRACT(epoch FROM m.within) * 1000000)::bigint, m.links" \
	" FROM journey_orch.machine_agent m WHERE m.is_active" \
	" ORDER BY m.is_machine, m.agent COLLATE \"C\""

static void
load_statuses(MachineRule *rule, Datum datum)
{
	Datum	   *elements;

	deconstruct_array(DatumGetArrayTypeP(datum), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, NULL, &rule->nstatuses);
	rule->statuses = palloc(Max(1, rule->nstatuses) * sizeof(char *));
	for (int i = 0; i < rule->nstatuses; i++)
		rule->statuses[i] = TextDatumGetCString(elements[i]);
}

static MachineRule *
load_rule(HeapTuple tuple, TupleDesc descriptor)
{
	MachineRule *rule = palloc0(sizeof(MachineRule));
	Datum		value;
	bool		isnull;

	rule->agent = SPI_getvalue(tuple, descriptor, 1);
	rule->is_machine = DatumGetBool(SPI_getbinval(tuple, descriptor, 2,
												  &isnull));
	load_statuses(rule, SPI_getbinval(tuple, descriptor, 3, &isnull));
	value = SPI_getbinval(tuple, descriptor, 4, &isnull);
	if (!isnull)
		rule->user_agent = DatumGetTextPCopy(value);
	value = SPI_getbinval(tuple, descriptor, 5, &isnull);
	rule->has_network = !isnull;
	if (!isnull)
		rule->network = datumCopy(value, false, -1);
	value = SPI_getbinval(tuple, descriptor, 6, &isnull);
	rule->within = isnull ? -1 : DatumGetInt64(value);
	value = SPI_getbinval(tuple, descriptor, 7, &isnull);
	rule->links = isnull ? -1 : DatumGetInt32(value);
	return rule;
}

static void
fill_rules(void)
{
	MemoryContext caller;
	JoRunAs		saved;

	rules = NIL;
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute(LOAD_RULES, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the rules about machines");
	caller = MemoryContextSwitchTo(jo_cache_context(&machine_cache));
	for (uint64 i = 0; i < SPI_processed; i++)
		rules = lappend(rules, load_rule(SPI_tuptable->vals[i],
										 SPI_tuptable->tupdesc));
	MemoryContextSwitchTo(caller);
	SPI_finish();
	jo_run_as_end(&saved);
	jo_cache_filled(&machine_cache);
}

/* ---- what a report tells ---- */

/* What is looked up once for all rules. */
typedef struct Clues
{
	const JoReport *report;
	Snapshot	snapshot;
	char	   *user_agent;		/* or NULL */
	bool		has_ip;
	Datum		ip;
	bool		knows_sent;		/* sent_at was looked up */
	TimestampTz sent_at;		/* JO_NO_TIME: nobody knows */
} Clues;

/* The address; what is none is ignored, as a hint that nobody understands. */
static void
read_ip(Clues *clues)
{
	char	   *string = jo_report_string(clues->report, "ip");
	unsigned char address[16];
	int			family;

	if (string == NULL)
		return;
	/* as inet_in() chooses, which must not raise */
	family = strchr(string, ':') != NULL ? PGSQL_AF_INET6 : PGSQL_AF_INET;
	if (pg_inet_net_pton(family, string, address, -1) < 0)
		return;
	clues->ip = DirectFunctionCall1(inet_in, CStringGetDatum(string));
	clues->has_ip = true;
}

static void
read_clues(Clues *clues)
{
	clues->user_agent = jo_report_string(clues->report, "user_agent");
	if (clues->user_agent != NULL)
		clues->user_agent[pg_mbcliplen(clues->user_agent,
									   strlen(clues->user_agent),
									   USER_AGENT_BYTES)] = '\0';
	read_ip(clues);
}

/* Was it reported so soon after sending?  Not when nobody knows when that was. */
static bool
is_soon(Clues *clues, int64 within)
{
	if (!clues->knows_sent)
	{
		clues->sent_at = jo_delivery_sent_at(&clues->report->message_id,
											 clues->snapshot);
		clues->knows_sent = true;
	}
	return clues->sent_at != JO_NO_TIME &&
		clues->report->at - clues->sent_at <= within;
}

static void
add_link(List **links, const char *link)
{
	ListCell   *cell;

	foreach(cell, *links)
		if (strcmp(lfirst(cell), link) == 0)
		return;
	*links = lappend(*links, unconstify(char *, link));
}

/* Were so many different links of the message clicked at nearly the same time? */
static bool
is_burst(const Clues *clues, const MachineRule *rule)
{
	const JoReport *report = clues->report;
	char	   *link = jo_report_string(report, "url");
	List	   *links = NIL;
	ListCell   *cell;

	if (link == NULL)
		return false;
	foreach(cell, jo_delivery_links(report, rule->within, clues->snapshot))
		add_link(&links, lfirst(cell));
	add_link(&links, link);
	for (int i = 0; i < report->nothers; i++)
	{
		const JoReport *other = &report->others[i];

		if (other->status == NULL || !other->has_at ||
			strcmp(other->status, report->status) != 0 ||
			memcmp(&other->message_id, &report->message_id,
				   sizeof(pg_uuid_t)) != 0 ||
			Abs(other->at - report->at) > rule->within)
			continue;
		link = jo_report_string(other, "url");
		if (link != NULL)
			add_link(&links, link);
	}
	return list_length(links) >= rule->links;
}

static bool
fits(Clues *clues, const MachineRule *rule)
{
	bool		is_about = false;

	for (int i = 0; i < rule->nstatuses; i++)
		if (strcmp(rule->statuses[i], clues->report->status) == 0)
			is_about = true;
	if (!is_about)
		return false;
	if (rule->user_agent != NULL &&
		(clues->user_agent == NULL ||
		 !RE_compile_and_execute(rule->user_agent, clues->user_agent,
								 strlen(clues->user_agent),
								 REG_ADVANCED | REG_ICASE | REG_NOSUB,
								 C_COLLATION_OID, 0, NULL)))
		return false;
	if (rule->has_network &&
		(!clues->has_ip ||
		 !DatumGetBool(DirectFunctionCall2(network_subeq, clues->ip,
										   rule->network))))
		return false;
	if (rule->links > 0)
		return is_burst(clues, rule);
	return rule->within < 0 || is_soon(clues, rule->within);
}

/* Has the provider decided?  Then *is_machine says how. */
static bool
is_decided(const JoReport *report, bool *is_machine)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&report->detail->root,
													 "machine",
													 strlen("machine"), NULL);

	if (value == NULL || value->type != jbvBool)
		return false;
	*is_machine = value->val.boolean;
	return true;
}

void
jo_machine_judge(JoReport *report, Snapshot snapshot)
{
	Clues		clues = {.report = report,.snapshot = snapshot};
	ListCell   *cell;

	report->is_machine = false;
	report->agent = NULL;
	if (is_decided(report, &report->is_machine))
	{
		report->agent = "provider";
		return;
	}
	if (jo_cache_begin(&machine_cache))
		fill_rules();
	read_clues(&clues);
	foreach(cell, rules)
	{
		const MachineRule *rule = lfirst(cell);

		if (!fits(&clues, rule))
			continue;
		report->is_machine = rule->is_machine;
		report->agent = pstrdup(rule->agent);
		break;
	}
	jo_cache_end(&machine_cache);
}
