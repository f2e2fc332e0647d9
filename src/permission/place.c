/*
 * permission/place.c
 *	  Where a message arrives; set_phone_zone().
 *
 * A phone's number says less than it seems: people move and keep it.  So a
 * prefix has several zones, and a message waits until the hour is right in all
 * of them.  It is asked only where the customer's own row gives no zone.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "audience/audience.h"
#include "core/cache.h"
#include "core/civil.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "permission/argument.h"
#include "permission/place.h"

PG_FUNCTION_INFO_V1(journey_orch_set_phone_zone);

/* Digits of a number, with country code; E.164 allows 15. */
#define PHONE_DIGITS 20

/* A prefix and its zones; or, as name, a journey and its one zone. */
typedef struct PlaceEntry
{
	const char *name;
	int			n;
	const char **zones;
	const char *region;			/* or NULL */
} PlaceEntry;

static JoCache cache = {
	.name = "places",
	.tables = {"phone_prefix", "publication"}
};

static List *prefixes;			/* of PlaceEntry, longest first */
static List *journeys;			/* of PlaceEntry; those in UTC are left out */

void
jo_place_init(void)
{
	jo_cache_register(&cache);
}

/* ---- the cache ---- */

/* Rows of name, zones, region, as a list in the cache's context. */
static List *
read_entries(const char *sql)
{
	MemoryContext caller;
	List	   *entries = NIL;

	if (SPI_execute(sql, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read places");
	caller = MemoryContextSwitchTo(jo_cache_context(&cache));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		TupleDesc	descriptor = SPI_tuptable->tupdesc;
		PlaceEntry *entry = palloc0(sizeof(PlaceEntry));
		Datum	   *zones;
		bool		isnull;

		entry->name = SPI_getvalue(tuple, descriptor, 1);
		deconstruct_array(DatumGetArrayTypePCopy(SPI_getbinval(tuple, descriptor, 2, &isnull)),
						  TEXTOID, -1, false, TYPALIGN_INT, &zones, NULL,
						  &entry->n);
		entry->zones = palloc(entry->n * sizeof(char *));
		for (int i = 0; i < entry->n; i++)
			entry->zones[i] = TextDatumGetCString(zones[i]);
		entry->region = SPI_getvalue(tuple, descriptor, 3);
		entries = lappend(entries, entry);
	}
	MemoryContextSwitchTo(caller);
	return entries;
}

static void
fill(void)
{
	bool		pushes = !ActiveSnapshotSet();
	JoRunAs		saved;

	if (pushes)
		PushActiveSnapshot(GetTransactionSnapshot());
	jo_run_as_extension(&saved);
	SPI_connect();
	prefixes = read_entries("SELECT prefix, zones, region"
							" FROM journey_orch.phone_zone"
							" ORDER BY length(prefix) DESC, prefix");
	journeys = read_entries("SELECT DISTINCT ON (j.name) j.name,"
							"  ARRAY[v.definition->>'timezone'], NULL::text"
							" FROM journey_orch.publication AS p"
							" JOIN journey_orch.journey AS j USING (journey_id)"
							" JOIN journey_orch.journey_version AS v USING (journey_id, version)"
							" WHERE p.act = 'publish'"
							" AND v.definition ? 'timezone'"
							" ORDER BY j.name, p.seq DESC");
	SPI_finish();
	jo_run_as_end(&saved);
	if (pushes)
		PopActiveSnapshot();
	jo_cache_filled(&cache);
}

/* ---- finding ---- */

/*
 * The digits of a phone number in international form, from "+", without the
 * spaces and signs that people write; NULL when the address is none.
 */
static char *
phone_of(const char *address)
{
	char		digits[PHONE_DIGITS + 1];
	int			n = 0;

	if (address == NULL)
		return NULL;
	if (pg_strncasecmp(address, "tel:", 4) == 0)
		address += 4;
	while (*address == ' ')
		address++;
	if (*address != '+')
		return NULL;
	digits[n++] = '+';
	for (address++; *address != '\0'; address++)
	{
		if (*address >= '0' && *address <= '9' && n < PHONE_DIGITS)
			digits[n++] = *address;
		else if (strchr(" -.()/", *address) == NULL)
			return NULL;
	}
	return n == 1 ? NULL : pnstrdup(digits, n);
}

static const PlaceEntry *
find_prefix(const char *phone)
{
	ListCell   *cell;

	foreach(cell, prefixes)
	{
		const PlaceEntry *entry = lfirst(cell);

		if (strncmp(phone, entry->name, strlen(entry->name)) == 0)
			return entry;
	}
	return NULL;
}

static const PlaceEntry *
find_journey(const char *name)
{
	ListCell   *cell;

	foreach(cell, journeys)
	{
		const PlaceEntry *entry = lfirst(cell);

		if (name != NULL && strcmp(entry->name, name) == 0)
			return entry;
	}
	return NULL;
}

static void
add_zone(JoPlace *place, const char *name)
{
	pg_tz	   *zone = jo_zone_find(name);

	if (zone == NULL || place->n >= JO_PLACE_ZONES)
		return;
	place->names[place->n] = pstrdup(name);
	place->zones[place->n] = zone;
	place->n++;
}

static void
add_zones(JoPlace *place, const PlaceEntry *entry, const char *known_by)
{
	for (int i = 0; entry != NULL && i < entry->n; i++)
		add_zone(place, entry->zones[i]);
	place->known_by = known_by;
}

/*
 * Zone and region of the customer's own row, which is not kept: a claim may ask
 * of thousands.  A row that cannot be read tells nothing.
 */
static void
load_customer(const JoGateQuestion *question, JoPlace *place)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller,
												  "journey_orch place",
												  ALLOCSET_DEFAULT_SIZES);
	JoCustomer	customer = {0};
	JoError    *error = NULL;

	MemoryContextSwitchTo(context);
	customer.customer_id = question->customer_id;
	jo_customer_load(&customer, 1, &error);
	MemoryContextSwitchTo(caller);
	if (error == NULL && customer.exists)
	{
		if (customer.timezone != NULL)
			add_zone(place, customer.timezone);
		if (customer.region != NULL)
			place->region = pstrdup(customer.region);
	}
	MemoryContextDelete(context);
}

void
jo_place_find(const JoGateQuestion *question, JoPlace *place)
{
	char	   *phone = phone_of(question->address);
	const PlaceEntry *prefix = NULL;

	memset(place, 0, sizeof(*place));
	place->known_by = "customer";
	if (question->has_place)
	{
		if (question->timezone != NULL)
			add_zone(place, question->timezone);
		place->region = question->region;
	}
	else
		load_customer(question, place);
	if (place->n > 0 && place->region != NULL)
		return;

	if (jo_cache_begin(&cache))
		fill();
	if (phone != NULL)
		prefix = find_prefix(phone);
	if (place->region == NULL && prefix != NULL && prefix->region != NULL)
		place->region = pstrdup(prefix->region);
	if (place->n == 0)
		add_zones(place, prefix, "phone");
	if (place->n == 0)
		add_zones(place, find_journey(question->journey), "journey");
	if (place->n == 0)
	{
		add_zone(place, "UTC");
		place->known_by = "default";
	}
	jo_cache_end(&cache);
}

bool
jo_place_is_in(const JoPlace *place, const char *region)
{
	size_t		length;

	if (region == NULL)
		return true;
	length = strlen(region);
	if (place->region == NULL)
		return length == 2;
	return strncmp(place->region, region, length) == 0 &&
		(place->region[length] == '\0' || place->region[length] == '-');
}

void
jo_place_tell(const JoPlace *place, JoEvidence *evidence)
{
	jo_evidence_texts(evidence, "zones", (const char *const *) place->names,
					  place->n);
	jo_evidence_text(evidence, "zones_from", place->known_by);
	jo_evidence_text(evidence, "region", place->region);
}

/* ---- set_phone_zone() ---- */

/* Raise unless every element is a zone. */
static void
ensure_zones(ArrayType *array)
{
	Datum	   *zones;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &zones, &nulls,
					  &n);
	if (n > JO_PLACE_ZONES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a prefix has at most %d zones, not %d",
						JO_PLACE_ZONES, n)));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("\"%s\" must not contain NULL", "zones")));
		(void) jo_zone_get(TextDatumGetCString(zones[i]));
	}
}

/* set_phone_zone(prefix, zones, source, region) → 'created', 'replaced' or
 * 'unchanged'. */
Datum
journey_orch_set_phone_zone(PG_FUNCTION_ARGS)
{
	char	   *prefix = jo_argument_text(fcinfo, 0, "set_phone_zone", "prefix");
	char	   *region = jo_argument_optional(fcinfo, 3);
	char	   *canonical = region ? jo_region_canonical(region) : NULL;
	JoParameters parameters = {0};
	const char *outcome = "unchanged";
	JoRunAs		saved;

	jo_argument_ensure(fcinfo, 1, "set_phone_zone", "zones");
	if (prefix[0] != '+' || strlen(prefix) < 2 || strlen(prefix) > PHONE_DIGITS ||
		strspn(prefix + 1, "0123456789") != strlen(prefix) - 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid prefix \"%s\"", jo_clipped(prefix)),
				 errhint("It is a plus sign and digits, such as +1 without a space, or +1808.")));
	if (region != NULL && canonical == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid region \"%s\"", jo_clipped(region)),
				 errhint("It is a country or a part of one as ISO 3166-2 writes it, such as US or US-FL.")));
	ensure_zones(PG_GETARG_ARRAYTYPE_P(1));
	if (ArrayGetNItems(ARR_NDIM(PG_GETARG_ARRAYTYPE_P(1)),
					   ARR_DIMS(PG_GETARG_ARRAYTYPE_P(1))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of %s() must not be empty",
						"zones", "set_phone_zone")));

	jo_parameter_text(&parameters, prefix);
	jo_parameter(&parameters, TEXTARRAYOID, PG_GETARG_DATUM(1), false);
	jo_parameter_text(&parameters, jo_argument_optional(fcinfo, 2));
	jo_parameter_text(&parameters, canonical);
	jo_leaf_ensure();
	jo_run_as_extension(&saved);
	SPI_connect();
	if (jo_parameters_execute(&parameters,
							  "INSERT INTO journey_orch.phone_prefix"
							  " VALUES ($1, $2, $4, $3, clock_timestamp())"
							  " ON CONFLICT (prefix) DO NOTHING") > 0)
		outcome = "created";
	else if (jo_parameters_execute(&parameters,
								   "UPDATE journey_orch.phone_prefix"
								   " SET zones = $2, region = $4, source = $3,"
								   " changed_at = clock_timestamp()"
								   " WHERE prefix = $1 AND (zones, region, source)"
								   " IS DISTINCT FROM ($2, $4, $3)") > 0)
		outcome = "replaced";
	SPI_finish();
	jo_run_as_end(&saved);
	if (strcmp(outcome, "unchanged") != 0)
		jo_definition_changed("phone_prefix");
	PG_RETURN_TEXT_P(cstring_to_text(outcome));
}
