/* Small helps that pages work without: rows that open with a click, dependent division selects. */
"use strict";

document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button, input, label") && !window.getSelection().toString()) {
        window.location.href = row.dataset.href;
    }
});

/* One box that ticks all of its form's boxes of a name. */
document.querySelectorAll("[data-check-all]").forEach((all) => {
    all.addEventListener("change", () => {
        all.form.querySelectorAll(`input[type=checkbox][name="${all.dataset.checkAll}"]`).forEach((box) => {
            box.checked = all.checked;
        });
    });
});

/* County, town, village: choosing one loads the choices below it. */
document.querySelectorAll("[data-divisions]").forEach((group) => {
    const selects = [...group.querySelectorAll("select")];
    const setOptions = (select, divisions) => {
        select.replaceChildren(select.options[0], ...divisions.map((division) => new Option(division.name, division.code)));
        select.value = "";
        select.disabled = divisions.length === 0;
    };
    selects.forEach((select, level) => {
        select.addEventListener("change", async () => {
            selects.slice(level + 1).forEach((lower) => setOptions(lower, []));
            const next = selects[level + 1];
            if (!next || !select.value) {
                return;
            }
            const response = await fetch(`/divisions?within=${encodeURIComponent(select.value)}&of=${group.dataset.divisions}`, {
                headers: { Accept: "application/json" },
            });
            if (response.ok) {
                setOptions(next, await response.json());
            } else if (response.status === 401) {
                window.location.reload();
            }
        });
    });
});
