/*
 * content/cache.c
 *	  The per-backend cache of compiled templates, filled by name.
 *
 * A family is a template name in a channel: the current version of each of its
 * locales, each compiled when it is first wanted.  A family that does not
 * exist is remembered too.  What a customer's row says as locale is only
 * looked up, never remembered, so the cache cannot grow with the customers.
 *
 * Rows are read with the latest snapshot, because the cache outlives the
 * transaction that fills it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audience/audience.h"
#include "content/sender.h"
#include "content/template.h"
#include "core/cache.h"
#include "core/leaf.h"

/* Columns of message_template. */
enum
{
	Anum_name = 1,
	Anum_channel,
	Anum_locale,
	Anum_version,
	Anum_subject,
	Anum_body,
	Anum_html,
	Anum_headers,
	Anum_owner,
	Anum_created_at,
	Anum_created_by,
	Anum_approved_by,
	Anum_approved_at
};

typedef struct FamilyKey
{
	const char *name;
	const char *channel;
	bool		approved;		/* approved versions come first */
} FamilyKey;

/* One locale of a family. */
typedef struct Member
{
	JoTemplateRow *row;
	JoTemplate *template;		/* NULL: not compiled yet */
} Member;

typedef struct Family
{
	FamilyKey	key;
	uint32		status;			/* of the hash table */
	int			nmembers;		/* 0: there is no such template */
	Member	   *members;
} Family;

static inline uint32
hash_family(FamilyKey key)
{
	return hash_combine(hash_bytes((const unsigned char *) key.name, strlen(key.name)),
						hash_bytes((const unsigned char *) key.channel,
								   strlen(key.channel)));
}

static inline bool
is_same_family(FamilyKey a, FamilyKey b)
{
	return a.approved == b.approved && strcmp(a.name, b.name) == 0 &&
		strcmp(a.channel, b.channel) == 0;
}

#define SH_PREFIX family
#define SH_ELEMENT_TYPE Family
#define SH_KEY_TYPE FamilyKey
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_family(key)
#define SH_EQUAL(tb, a, b) is_same_family(a, b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static JoCache template_cache = {
	.name = "message templates",
	.tables = {"message_template", "customer_binding"},
	.holds_expressions = true
};

static struct family_hash *families = NULL;

void
jo_content_init(void)
{
	jo_cache_register(&template_cache);
	jo_sender_init();
	jo_review_init();
}

void
jo_template_cache_begin(void)
{
	if (jo_cache_begin(&template_cache))
	{
		Oid			customers = jo_customer_relation();

		families = family_create(jo_cache_context(&template_cache), 64, NULL);
		if (OidIsValid(customers))
			jo_cache_watch(&template_cache, customers);
		jo_cache_filled(&template_cache);
	}
}

void
jo_template_cache_end(void)
{
	jo_cache_end(&template_cache);
}

/* ---- reading ---- */

/* Text column as a palloc'd string, NULL for NULL. */
static char *
slot_text(TupleTableSlot *slot, int attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attnum, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static JoTemplateRow *
read_row(TupleTableSlot *slot)
{
	JoTemplateRow *row = palloc0(sizeof(JoTemplateRow));
	bool		isnull;

	row->name = slot_text(slot, Anum_name);
	row->channel = slot_text(slot, Anum_channel);
	row->locale = slot_text(slot, Anum_locale);
	row->version = DatumGetInt32(slot_getattr(slot, Anum_version, &isnull));
	row->subject = slot_text(slot, Anum_subject);
	row->body = slot_text(slot, Anum_body);
	row->html = slot_text(slot, Anum_html);
	row->headers = DatumGetJsonbPCopy(slot_getattr(slot, Anum_headers, &isnull));
	row->owner = DatumGetObjectId(slot_getattr(slot, Anum_owner, &isnull));
	row->created_at =
		DatumGetTimestampTz(slot_getattr(slot, Anum_created_at, &isnull));
	row->approved_at =
		DatumGetTimestampTz(slot_getattr(slot, Anum_approved_at, &isnull));
	(void) slot_getattr(slot, Anum_approved_by, &isnull);
	row->is_approved = !isnull;
	return row;
}

/* When the first of these was approved; DT_NOEND: never. */
static TimestampTz
first_approval(const List *rows)
{
	TimestampTz first = DT_NOEND;
	ListCell   *cell;

	foreach(cell, rows)
	{
		const JoTemplateRow *row = lfirst(cell);

		if (row->is_approved)
			first = Min(first, row->approved_at);
	}
	return first;
}

/*
 * Of rows in order of locale and version the one of each locale that is sent.
 * With "approved" the newest approved one.  Where there is none it is the newest
 * that was there before anybody approved anything: journeys may have been
 * sending it since before review was required, and would fail without it.  What
 * is added later waits for its approval.
 */
static List *
choose_rows(const List *rows, bool approved)
{
	TimestampTz reviewed_since = approved ? first_approval(rows) : DT_NOEND;
	List	   *chosen = NIL;
	ListCell   *cell;

	foreach(cell, rows)
	{
		JoTemplateRow *row = lfirst(cell);
		JoTemplateRow *last = chosen == NIL ? NULL : llast(chosen);

		if (approved && !row->is_approved && row->created_at >= reviewed_since)
			continue;
		if (last == NULL || strcmp(last->locale, row->locale) != 0)
			chosen = lappend(chosen, row);
		else if (!approved || row->is_approved || !last->is_approved)
			llast(chosen) = row;
	}
	return chosen;
}

List *
jo_template_read(const char *name, const char *channel, bool approved)
{
	Relation	table = table_open(jo_relation_oid("message_template"), AccessShareLock);
	Relation	index = index_open(jo_relation_oid("message_template_pkey"), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(table, NULL);
	IndexScanDesc scan;
	ScanKeyData keys[2];
	List	   *rows = NIL;

	/* ScanKeyInit() would say collation "C", which is not the index's. */
	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[0], F_TEXTEQ,
						   CStringGetTextDatum(name));
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[1], F_TEXTEQ,
						   CStringGetTextDatum(channel));
	scan = index_beginscan(table, index, snapshot, 2, 0);
	index_rescan(scan, keys, 2, NULL, 0);

	while (index_getnext_slot(scan, ForwardScanDirection, slot))
		rows = lappend(rows, read_row(slot));

	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	index_close(index, AccessShareLock);
	table_close(table, AccessShareLock);
	return choose_rows(rows, approved);
}

/* ---- finding ---- */

static Family *
get_family(const char *name, const char *channel, bool approved)
{
	FamilyKey	key = {name, channel, approved};
	Family	   *family = family_lookup(families, key);
	MemoryContext oldcontext;
	List	   *rows;
	ListCell   *cell;
	bool		found;

	if (family != NULL)
		return family;

	oldcontext = MemoryContextSwitchTo(jo_cache_context(&template_cache));
	rows = jo_template_read(name, channel, approved);
	key.name = pstrdup(name);
	key.channel = pstrdup(channel);
	family = family_insert(families, key, &found);
	family->nmembers = 0;
	family->members = palloc0(sizeof(Member) * Max(list_length(rows), 1));
	foreach(cell, rows)
		family->members[family->nmembers++].row = lfirst(cell);
	MemoryContextSwitchTo(oldcontext);
	return family;
}

/* The compiled template of a member; one that does not compile holds why. */
static JoTemplate *
get_template(Member *member)
{
	MemoryContext oldcontext;
	JoTemplateFinding finding;

	if (member->template != NULL)
		return member->template;

	oldcontext = MemoryContextSwitchTo(jo_cache_context(&template_cache));
	member->template = jo_template_compile(member->row, &finding);
	if (member->template == NULL)
	{
		JoTemplate *broken = palloc0(sizeof(JoTemplate));

		broken->error = finding.error;
		broken->error_hole = finding.hole;
		broken->version = member->row->version;
		broken->locale = member->row->locale;
		member->template = broken;
	}
	MemoryContextSwitchTo(oldcontext);
	return member->template;
}

static JoTemplate *
find_template(const char *name, const char *channel, const char *locale,
			  bool approved)
{
	Family	   *family = get_family(name, channel, approved);
	char	   *wanted;

	if (family->nmembers == 0)
		return NULL;

	wanted = jo_locale_canonical(locale);
	if (wanted == NULL)
		wanted = pstrdup("");
	for (;;)
	{
		char	   *last;

		for (int i = 0; i < family->nmembers; i++)
		{
			if (strcmp(family->members[i].row->locale, wanted) == 0)
				return get_template(&family->members[i]);
		}
		if (wanted[0] == '\0')
			return NULL;
		last = strrchr(wanted, '-');
		*(last != NULL ? last : wanted) = '\0';
	}
}

JoTemplate *
jo_template_find(const char *name, const char *channel, const char *locale)
{
	return find_template(name, channel, locale, jo_require_review);
}

JoTemplate *
jo_template_find_newest(const char *name, const char *channel,
						const char *locale)
{
	return find_template(name, channel, locale, false);
}

List *
jo_template_family(const char *name, const char *channel)
{
	Family	   *family = get_family(name, channel, jo_require_review);
	List	   *templates = NIL;

	for (int i = 0; i < family->nmembers; i++)
		templates = lappend(templates, get_template(&family->members[i]));
	return templates;
}
