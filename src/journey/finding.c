/*
 * journey/finding.c
 *	  The table of finding codes, and the list that the reader fills.
 *
 * A finding says where (JSON pointer), what, and what to do.  Codes never
 * change their meaning; a new check gets a new code, a row here, a definition
 * in sql/journey_findings.sql and a line in docs/errors.md.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "journey/finding.h"

/* A message quotes what an author wrote, but not a book. */
#define MAX_MESSAGE 500

/* In the order of JoFindingCode. */
static const JoFindingKind kinds[JO_FINDING_CODES] = {
	{"wrong_type", JO_ERROR,
		"A value has another JSON type than the grammar wants.",
	"See journey_orch.definition_schema()."},
	{"wrong_value", JO_ERROR,
		"A value is not one of the words allowed there.",
	"Use one of the words named in the message."},
	{"bad_name", JO_ERROR,
		"A name, event name or local time is not written as the grammar wants.",
	"A name is a lower-case letter, then lower-case letters, digits and underscores, at most 63."},
	{"wrong_length", JO_ERROR,
		"A text is empty or too long.",
	"See journey_orch.definition_schema()."},
	{"wrong_count", JO_ERROR,
		"A list or object has too few or too many members.",
	"See journey_orch.definition_schema()."},
	{"out_of_range", JO_ERROR,
		"A number is smaller or larger than allowed.",
	"See journey_orch.definition_schema()."},
	{"duplicate", JO_ERROR,
		"A list names the same thing twice.",
	"Remove one of the two."},
	{"missing_key", JO_ERROR,
		"A required key is absent.",
	"Add the key; journey_orch.definition_schema() has an example."},
	{"unknown_key", JO_ERROR,
		"A key does not exist in the grammar.",
	"Remove the key, or correct its spelling."},
	{"no_verb", JO_ERROR,
		"A step has no verb.",
	"Verbs are send, delay, wait, branch, split, decide, update, call, emit, enter, digest, approve and exit."},
	{"two_verbs", JO_ERROR,
		"A step has more than one verb.",
	"Make one step of each verb and join them with \"next\"."},
	{"wrong_form", JO_ERROR,
		"A value is none of the forms that the grammar offers.",
	"See journey_orch.definition_schema()."},
	{"not_built", JO_ERROR,
		"The grammar has it, this release does not.",
	"Leave it out for now; definition_schema() marks what is not built with \"x-not-built\"."},
	{"unknown_step", JO_ERROR,
		"A step is named that does not exist.",
	"Name a step of \"steps\", or add one with this name."},
	{"unreachable_step", JO_WARNING,
		"No path from the first step leads to the step.",
	"Remove the step, or name it as the next one of another."},
	{"dead_end", JO_WARNING,
		"No exit step can be reached from the step, so its runs never end by themselves.",
	"Let a path lead to a step with \"exit\"."},
	{"instant_cycle", JO_ERROR,
		"Steps follow each other in a circle in which no time passes.",
	"Put a delay for a duration, or a wait, into the circle; a local time or a date may be there on arrival."},
	{"waits_forever", JO_INFO,
		"A wait has no timeout.",
	"Add \"until\" if a run should go on when nothing happens."},
	{"shadowed_branch", JO_WARNING,
		"A branch can never be taken, because an earlier one takes all its events.",
	"Change the order, or give the earlier branch a condition."},
	{"ranked_forever", JO_ERROR,
		"A ranked wait has no timeout, and only the timeout ends it.",
	"Add \"until\", or leave \"ranked\" out."},
	{"never_collects", JO_WARNING,
		"A digest with \"look_back\" always goes on with its first event: no earlier one can have ended within that time.",
	"Let customers enter again soon enough (\"reentry\"), lead the run back to the digest, or leave \"look_back\" out."},
	{"missing_arm", JO_ERROR,
		"An arm has no next step.",
	"Name a step for every arm in \"next\"."},
	{"unknown_arm", JO_ERROR,
		"A next step is given for an arm that does not exist.",
	"Remove it, or add the arm."},
	{"bad_of", JO_ERROR,
		"\"of\" does not name a send step, or stands beside an event that is no message.<status>.",
	"\"of\" limits a message.* event to reports about the messages of one send step."},
	{"no_entry_key", JO_WARNING,
		"A key is compared although the entry has none, so it never matches.",
	"Add \"key\" to \"entry\"."},
	{"bad_duration", JO_ERROR,
		"A duration is no interval, or not longer than zero.",
	"Write a PostgreSQL interval such as \"90 minutes\" or \"1 day\"."},
	{"bad_timezone", JO_ERROR,
		"A time zone is unknown.",
	"Use a name of pg_timezone_names, such as Europe/Berlin."},
	{"bad_cron", JO_ERROR,
		"The times of a schedule are not five fields of cron, or never come.",
	"Write minute, hour, day of the month, month and weekday, such as \"30 9 * * mon-fri\"."},
	{"never_due", JO_ERROR,
		"Local time, weekdays and window have no instant in common.",
	"Let the hour lie inside the window (\"from\" included, \"to\" excluded), which opens on one of the weekdays."},
	{"no_effect", JO_WARNING,
		"A key changes nothing where it stands.",
	"Remove it, or add what the message names."},
	{"reserved_name", JO_ERROR,
		"A name belongs to journey_orch.",
	"Choose another name."},
	{"unknown_channel", JO_ERROR,
		"A channel does not exist.",
	"Create it with journey_orch.set_channel()."},
	{"unknown_template", JO_ERROR,
		"A template does not exist for a channel.",
	"Create it with journey_orch.set_template()."},
	{"broken_template", JO_ERROR,
		"A template does not compile any more: a column, function or table it names is gone.",
	"Declare it again with journey_orch.set_template()."},
	{"no_default_locale", JO_WARNING,
		"A template exists for some locales only: customers of others cannot be sent it.",
	"Declare it without a locale, too."},
	{"missing_variable", JO_WARNING,
		"A template names a member of context that no step sets.",
	"Set it by an earlier step, or give the hole a default with coalesce()."},
	{"no_postal_address", JO_ERROR,
		"A marketing template of a mail channel does not show the sender's postal address.",
	"Show {{ message.postal_address }} in the body, and in the HTML part."},
	{"no_unsubscribe", JO_ERROR,
		"A marketing template does not say how to stop these messages.",
	"Show {{ message.unsubscribe_url }} in the body, and in the HTML part."},
	{"no_sender", JO_ERROR,
		"Marketing messages have no sender with a postal address and pages to unsubscribe.",
	"Declare one with journey_orch.set_sender()."},
	{"undeclared_topic", JO_WARNING,
		"A topic is not declared: no consent is asked for its messages.",
	"Declare it with journey_orch.set_topic()."},
	{"unreviewed_rule", JO_WARNING,
		"A rule that nobody has reviewed covers a message; it applies in any case.",
	"Have it read by who answers for it, then call journey_orch.review_rule()."},
	{"unknown_role", JO_ERROR,
		"A role does not exist.",
	"Create it with CREATE ROLE, and grant it to those who decide."},
	{"unknown_journey", JO_WARNING,
		"A journey that a step enters is not live.",
	"Define and publish it; until then nobody enters it."},
	{"enter_refused", JO_WARNING,
		"The entry of a journey refuses those that the step sends.",
	"Let its entry name this journey, or have an entry of another kind."},
	{"enter_cycle", JO_ERROR,
		"Journeys enter each other in a circle in which no time passes.",
	"Put a delay or a wait before one of the enter steps."},
	{"expression_syntax", JO_ERROR,
		"A text is not one SQL expression.",
	"Write one SQL expression, without SELECT and semicolon."},
	{"expression_name", JO_ERROR,
		"An expression names a column, function, table or type that does not exist.",
	"Names outside pg_catalog are written with their schema."},
	{"expression_type", JO_ERROR,
		"An expression has, or combines, the wrong types.",
	"Cast the value."},
	{"expression_refused", JO_ERROR,
		"An expression does what is not allowed there.",
	"See \"Expressions\" in docs/journeys.md."},
	{"expression_rights", JO_ERROR,
		"The journey's owner may not read or execute what an expression names.",
	"GRANT it to the owner, or let another role own the journey."},
	{"expression_invalid", JO_ERROR,
		"An expression fails in another way.",
	"The message is PostgreSQL's own."},
};

static const char *const severity_names[] = {"error", "warning", "info"};

const JoFindingKind *
jo_finding_kind(JoFindingCode code)
{
	return &kinds[code];
}

const char *
jo_severity_name(JoSeverity severity)
{
	return severity_names[severity];
}

void
jo_findings_init(JoFindings *findings)
{
	findings->context = CurrentMemoryContext;
	findings->list = NIL;
	findings->errors = 0;
	findings->not_built = 0;
	findings->inside_not_built = 0;
}

JoFinding *
jo_finding_add(JoFindings *findings, JoFindingCode code, const JoPath *path,
			   const char *hint, const char *format,...)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(findings->context);
	JoFinding  *finding = palloc0(sizeof(JoFinding));
	StringInfoData message;
	int			needed;

	initStringInfo(&message);
	do
	{
		va_list		args;

		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&message, needed);
	} while (needed > 0);
	if (message.len > MAX_MESSAGE)
	{
		message.len = pg_mbcliplen(message.data, message.len, MAX_MESSAGE);
		message.data[message.len] = '\0';
		appendStringInfoString(&message, "...");
	}

	finding->code = code;
	finding->ordinal = list_length(findings->list);
	finding->path = jo_path_pointer(path);
	finding->message = message.data;
	finding->hint = pstrdup(hint ? hint : kinds[code].hint);
	findings->list = lappend(findings->list, finding);

	if (code == JO_FINDING_NOT_BUILT)
		findings->not_built++;
	else if (kinds[code].severity == JO_ERROR)
		findings->errors++;

	MemoryContextSwitchTo(oldcontext);
	return finding;
}

static int
compare_findings(const ListCell *a, const ListCell *b)
{
	const JoFinding *left = lfirst(a);
	const JoFinding *right = lfirst(b);

	if (kinds[left->code].severity != kinds[right->code].severity)
		return kinds[left->code].severity < kinds[right->code].severity ? -1 : 1;
	return left->ordinal - right->ordinal;
}

void
jo_findings_sort(JoFindings *findings)
{
	list_sort(findings->list, compare_findings);
}

/* Append the pointer of "path"; the depth is that of the grammar, so small. */
static void
append_pointer(StringInfo out, const JoPath *path)
{
	if (path == NULL)
		return;
	append_pointer(out, path->parent);
	appendStringInfoChar(out, '/');
	if (path->key == NULL)
	{
		appendStringInfo(out, "%d", path->index);
		return;
	}
	for (int i = 0; i < path->key_length; i++)
	{
		if (path->key[i] == '~')
			appendStringInfoString(out, "~0");
		else if (path->key[i] == '/')
			appendStringInfoString(out, "~1");
		else
			appendStringInfoChar(out, path->key[i]);
	}
}

char *
jo_path_pointer(const JoPath *path)
{
	StringInfoData out;

	initStringInfo(&out);
	append_pointer(&out, path);
	return out.data;
}

char *
jo_path_last_key(const JoPath *path)
{
	if (path == NULL || path->key == NULL)
		return NULL;
	return pnstrdup(path->key, path->key_length);
}

/* Two neighbours swapped: the commonest slip of the hand. */
static bool
is_swapped(const char *word, int length, const char *candidate)
{
	for (int i = 0; i + 1 < length; i++)
	{
		if (word[i] != candidate[i])
			return word[i] == candidate[i + 1] && word[i + 1] == candidate[i] &&
				memcmp(word + i + 2, candidate + i + 2, length - i - 2) == 0;
	}
	return false;
}

const char *
jo_closest(const char *word, int length, const char *const *candidates, int n)
{
	const char *best = NULL;
	int			best_distance;

	/* A short word is soon another word; a long one costs too much time. */
	if (length < 3 || length > 63)
		return NULL;
	best_distance = length < 5 ? 2 : 3;
	for (int i = 0; i < n; i++)
	{
		int			candidate_length = strlen(candidates[i]);
		int			distance;

		if (candidate_length > 63 || abs(candidate_length - length) >= best_distance)
			continue;
		if (candidate_length == length && is_swapped(word, length, candidates[i]))
			distance = 1;
		else
			distance = varstr_levenshtein_less_equal(word, length,
													 candidates[i], candidate_length,
													 1, 1, 1, best_distance, true);
		if (distance < best_distance)
		{
			best = candidates[i];
			best_distance = distance;
		}
	}
	return best;
}
