// names.mjs - the first and last names of every language of @faker-js/faker, as a JSON array.
// usage: node names.mjs FOLDER-OF-THE-PACKAGE
const { allLocales } = await import(process.argv[2] + "/dist/index.js");
const names = new Set();
const walk = (value) => {
    if (typeof value === "string") names.add(value);
    else if (value && typeof value === "object") Object.values(value).forEach(walk);
};
for (const locale of Object.values(allLocales)) {
    walk(locale.person?.first_name);
    walk(locale.person?.last_name);
}
console.log(JSON.stringify([...names].sort()));
