/*
 * enrollment/route.c
 *	  Which runs an event may concern, before any of them is asked.
 *
 * A customer may have thousands of runs and thousands of events.  What a run
 * could do with an event depends on its graph, step and state, so that is
 * looked at once for all runs that stand alike (a "stand").  Names decide
 * first.  Then keys: entry.key and a match_key see the customer and the event,
 * so they have one value for all runs, which is asked for once per event; only
 * a match_key that reads "journey" is each run's own, and is left to the
 * offer.  So is one that raised: each run that it concerns has to fail for
 * itself.
 *
 * Routing: an event named in entry.on goes only to runs with an equal key; any
 * other event goes to all runs of the customer unless match_key is given; "of"
 * limits a message.* event to the run whose message it reports.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "enrollment/careful.h"
#include "enrollment/json.h"

/* The value of a key's expression over the event. */
typedef struct EventKey
{
	const JoExpression *expression;
	const JoGraph *graph;
	bool		is_known;
	char	   *key;			/* or NULL */
	uint32		hash;
	struct EventKey *next;
} EventKey;

/* What the event can do to runs that stand alike. */
typedef struct Stand
{
	const JoGraph *graph;
	int			step;
	JoEnrollmentState state;
	bool		was_absent;
	bool		concerns_all;
	bool		concerns_reported;	/* the run whose message it reports */
	List	   *keys;			/* of EventKey *: runs with one of these */
	struct Stand *next;
} Stand;

/* All that was found out about one event of a customer. */
typedef struct JoRoute
{
	Stand	   *stands;
	EventKey   *keys;
	bool		is_report;		/* the next two are known */
	pg_uuid_t	enrollment_id;
	char	   *step;
} JoRoute;

/* Read whose message the event reports; false when it reports none. */
static bool
read_report(JoMember *member)
{
	JoRoute    *route = member->route;
	Jsonb	   *payload = member->event->payload;

	if (route->is_report)
		return route->step != NULL;
	route->is_report = true;
	route->step = jo_json_string(payload, "step");
	if (!jo_json_uuid(payload, "enrollment_id", &route->enrollment_id))
		route->step = NULL;
	return route->step != NULL;
}

/* Does the event report on a message of this run? */
static bool
reports_on(const JoRun *run)
{
	return read_report(run->member) &&
		memcmp(&run->member->route->enrollment_id, &run->id,
			   sizeof(pg_uuid_t)) == 0;
}

static EventKey *
find_key(const JoRoute *route, const JoExpression *expression)
{
	for (EventKey *key = route->keys; key != NULL; key = key->next)
		if (key->expression == expression)
			return key;
	return NULL;
}

/* Is the value of this key known for the event that is under way? */
bool
jo_route_knows_key(const JoMember *member, const JoExpression *expression)
{
	const EventKey *key = find_key(member->route, expression);

	return key != NULL && key->is_known;
}

/* May the run be meant, as far as this key is known? */
static bool
fits_key(const EventKey *key, const JoRun *run)
{
	return !key->is_known ||
		(key->hash == run->key_hash && jo_key_equals(key->key, run->key));
}

/*
 * Does the name fit?  A match without a name fits every event and timer, or
 * those events at which it is tested again.
 */
static bool
fits_name(const JoMatch *match, const JoEvent *event)
{
	if (match->on != NULL)
		return event != NULL && jo_streq(match->on, event->name);
	if (match->nretest == 0)
		return true;
	for (int i = 0; event != NULL && i < match->nretest; i++)
		if (jo_streq(match->retest_on[i], event->name))
			return true;
	return false;
}

/*
 * Could this match apply to the run's input, as far as names and keys are
 * known?
 */
bool
jo_route_matches(const JoMatch *match, const JoRun *run)
{
	JoMember   *member = run->member;
	const EventKey *key;

	if (!fits_name(match, member->event))
		return false;
	if (match->on != NULL && match->of != JO_NO_STEP &&
		!(reports_on(run) &&
		  jo_streq(member->route->step, run->graph->steps[match->of].name)))
		return false;
	if (match->match_key == NULL || member->route == NULL)
		return true;
	key = find_key(member->route, match->match_key);
	return key == NULL || fits_key(key, run);
}

/* Let the stand concern the runs with this key, which is to be asked for. */
static void
add_key(JoRoute *route, Stand *stand, const JoExpression *expression)
{
	EventKey   *key = find_key(route, expression);

	if (key == NULL)
	{
		key = palloc0(sizeof(EventKey));
		key->expression = expression;
		key->graph = stand->graph;
		key->next = route->keys;
		route->keys = key;
	}
	stand->keys = list_append_unique_ptr(stand->keys, key);
}

/* Take one match into account. */
static void
add_match(JoMember *member, Stand *stand, const JoMatch *match)
{
	if (!fits_name(match, member->event))
		return;
	if (match->on != NULL && match->of != JO_NO_STEP)
		stand->concerns_reported |= read_report(member);
	else if (match->match_key != NULL &&
			 !(jo_expression_uses(match->match_key) & JO_USES_JOURNEY))
		add_key(member->route, stand, match->match_key);
	else
		stand->concerns_all = true;
}

/* Look at what the member's event can do to runs that stand like this one. */
static Stand *
make_stand(JoBatch *batch, const JoRun *run)
{
	JoMember   *member = run->member;
	const JoGraph *graph = run->graph;
	const JoStep *step = &graph->steps[run->step];
	Stand	   *stand = palloc0(sizeof(Stand));
	const JoRestart *restart;

	stand->graph = graph;
	stand->step = run->step;
	stand->state = run->state;
	stand->was_absent = run->was_absent;
	stand->next = member->route->stands;
	member->route->stands = stand;
	if (run->state == JO_ENROLLMENT_ENDED && jo_run_error(run) != NULL)
		return stand;
	if (jo_run_error(run) != NULL || jo_customer_is_missed(batch, run))
	{
		stand->concerns_all = true;
		return stand;
	}
	if (graph->has_goal)
		add_match(member, stand, &graph->goal.match);
	for (int i = 0; i < graph->nexits && run->state != JO_ENROLLMENT_ENDED; i++)
		add_match(member, stand, &graph->exits[i]);
	if (run->state == JO_ENROLLMENT_WAITING && step->verb == JO_WAIT)
		for (int i = 0; i < step->u.wait.nbranches; i++)
			add_match(member, stand, &step->u.wait.branches[i]);
	if (run->state == JO_ENROLLMENT_WAITING && step->verb == JO_DIGEST)
		add_match(member, stand, &step->u.digest.match);
	restart = jo_offer_restart(graph, run->step, run->state);
	if (restart != NULL)
		add_match(member, stand, &restart->match);

	/* the entry's key is asked for only where anything depends on it */
	if (graph->entry.on != NULL && graph->entry.key != NULL &&
		jo_streq(graph->entry.on, member->event->name) &&
		(stand->concerns_all || stand->concerns_reported ||
		 stand->keys != NIL))
	{
		stand->concerns_all = false;
		stand->concerns_reported = false;
		stand->keys = NIL;
		add_key(member->route, stand, graph->entry.key);
	}
	return stand;
}

static bool
stands_like(const Stand *stand, const JoRun *run)
{
	return stand->graph == run->graph && stand->step == run->step &&
		stand->state == run->state && stand->was_absent == run->was_absent;
}

/* The stand of a run; "last" is the one of the run before, or NULL. */
static Stand *
get_stand(JoBatch *batch, const JoRun *run, Stand *last)
{
	if (last != NULL && stands_like(last, run))
		return last;
	for (Stand *stand = run->member->route->stands; stand != NULL;
		 stand = stand->next)
		if (stands_like(stand, run))
			return stand;
	return make_stand(batch, run);
}

/* Is there anything that an event could do to the run? */
static bool
is_at_rest(const JoRun *run)
{
	return run->state != JO_ENROLLMENT_MOVING && !jo_run_is_gone(run);
}

static bool
key_resume(JoBatch *batch, JoTask *task)
{
	EventKey   *key = task->state;

	if (task->stage == 0)
	{
		task->stage = 1;
		task->request = JO_REQUEST_VALUE;
		task->expression = unconstify(JoExpression *, key->expression);
		task->variables = jo_event_variables(batch, task->member, task->graph,
											 jo_expression_uses(key->expression));
		return false;
	}
	key->is_known = true;
	if (!task->isnull)
		key->key = TextDatumGetCString(task->value);
	key->hash = jo_key_hash(key->key);
	return true;
}

/* The key raised: it stays unknown. */
static void
key_fail(JoBatch *batch, JoTask *task, const JoError *error)
{
}

/* Find the stands of a member's runs and the keys that they depend on. */
static List *
ask_member(JoBatch *batch, JoMember *member, List *tasks)
{
	Stand	   *stand = NULL;
	ListCell   *cell;

	member->route = palloc0(sizeof(JoRoute));
	foreach(cell, member->runs)
	{
		const JoRun *run = lfirst(cell);

		if (is_at_rest(run))
			stand = get_stand(batch, run, stand);
	}
	if (batch->care != NULL)
		return tasks;			/* each run is to ask for itself */
	for (EventKey *key = member->route->keys; key != NULL; key = key->next)
	{
		JoTask	   *task = jo_task_create(batch, member, NULL, key->graph);

		task->resume = key_resume;
		task->fail = key_fail;
		task->state = key;
		tasks = lappend(tasks, task);
	}
	return tasks;
}

/*
 * Find out all that jo_route_runs() needs to know about the events of these
 * members, commands left out.
 */
void
jo_route_ask(JoBatch *batch, List *members)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->round);
	List	   *tasks = NIL;
	ListCell   *cell;

	foreach(cell, members)
	{
		JoMember   *member = lfirst(cell);

		jo_care_blame(batch, NULL, NULL);
		member->route = NULL;
		if (member->event != NULL && member->runs != NIL &&
			!jo_event_is_command(member->event))
			tasks = ask_member(batch, member, tasks);
	}
	jo_wave_run(batch, tasks);
	MemoryContextSwitchTo(caller);
}

/* Could the event concern this one of the runs that stand like "stand"? */
static bool
is_concerned(const Stand *stand, const JoRun *run)
{
	ListCell   *cell;

	if (stand->concerns_all)
		return true;
	foreach(cell, stand->keys)
		if (fits_key(lfirst(cell), run))
		return true;
	return stand->concerns_reported && reports_on(run);
}

/*
 * The runs that the member's event may concern, in their order; the list is
 * in the round's memory.  In a careful batch all of them, because one that
 * cannot be written may have to be parked whatever happens.
 */
List *
jo_route_runs(JoBatch *batch, JoMember *member)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->round);
	List	   *runs = NIL;
	Stand	   *stand = NULL;
	ListCell   *cell;

	foreach(cell, member->runs)
	{
		JoRun	   *run = lfirst(cell);

		if (!is_at_rest(run))
			continue;
		stand = get_stand(batch, run, stand);
		if (batch->care != NULL || is_concerned(stand, run))
			runs = lappend(runs, run);
	}
	MemoryContextSwitchTo(caller);
	return runs;
}
