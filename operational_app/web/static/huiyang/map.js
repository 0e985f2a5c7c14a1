/* The map beside a list: draws the list's cards, and asks for the list again when a condition changes.
   All positions are in degrees of WGS-84. Without WebGL the list is all there is, and is enough. */
"use strict";

const frame = document.querySelector("[data-map]");
const form = document.querySelector("[data-map-search]");
const choices = document.querySelector("[data-map-choices]");
const FREE = "#1f8a4c";
const FULL = "#6b7280";
const FACILITY = "#2f6fbb";
const EMPTY = { type: "FeatureCollection", features: [] };

const cards = () => [...document.querySelectorAll("[data-institution]")];

const pointsOfCards = () => ({
    type: "FeatureCollection",
    features: cards().filter((card) => card.dataset.x).map((card) => ({
        type: "Feature",
        properties: { id: card.dataset.institution, name: card.dataset.name, free: Number(card.dataset.free) },
        geometry: { type: "Point", coordinates: [Number(card.dataset.x), Number(card.dataset.y)] },
    })),
});

const addPoints = (map, name, data, colour) => {
    map.addSource(name, { type: "geojson", data, cluster: true, clusterRadius: 40, clusterMaxZoom: 13 });
    map.addLayer({
        id: `${name}-clusters`, type: "circle", source: name, filter: has("point_count"),
        paint: { "circle-color": name === "facilities" ? FACILITY : "#155e9c", "circle-radius": ["step", ["get", "point_count"], 13, 10, 17, 100, 22], "circle-stroke-color": "#fff", "circle-stroke-width": 2 },
    });
    map.addLayer({
        id: `${name}-counts`, type: "symbol", source: name, filter: has("point_count"),
        layout: { "text-field": ["get", "point_count_abbreviated"], "text-font": FONT, "text-size": 13, "text-allow-overlap": true },
        paint: { "text-color": "#fff" },
    });
    map.addLayer({
        id: `${name}-points`, type: "circle", source: name, filter: ["!", has("point_count")],
        paint: { "circle-color": colour, "circle-radius": name === "facilities" ? 5 : 8, "circle-stroke-color": "#fff", "circle-stroke-width": 2 },
    });
    map.on("click", `${name}-clusters`, async (event) => {
        const cluster = event.features[0];
        const zoom = await map.getSource(name).getClusterExpansionZoom(cluster.properties.cluster_id);
        map.easeTo({ center: cluster.geometry.coordinates, zoom });
    });
    [`${name}-clusters`, `${name}-points`].forEach((layer) => {
        map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
        map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
    });
};

const popup = (map, at, title, address, note) => {
    const box = document.createElement("div");
    const link = document.createElement("a");
    const text = document.createElement("div");
    link.href = address;
    link.textContent = title;
    text.textContent = note;
    box.append(link, text);
    new maplibregl.Popup({ locale: { "Popup.Close": "关闭" } }).setLngLat(at).setDOMContent(box).addTo(map);
};

const choose = (map, id, moves) => {
    const card = document.querySelector(`[data-institution="${id}"]`);
    if (!card) {
        return;
    }
    cards().forEach((other) => other.classList.toggle("is-chosen", other === card));
    const at = [Number(card.dataset.x), Number(card.dataset.y)];
    if (moves) {
        frame.scrollIntoView({ block: "nearest" });
        map.jumpTo({ center: at, zoom: 14 });
    } else {
        card.scrollIntoView({ block: "nearest" });
    }
    const link = card.querySelector("a");
    popup(map, at, link.textContent, link.href, card.dataset.free === "0" ? "无空床" : `空床 ${card.dataset.free} 张`);
};

const draw = async (map) => {
    await drawCounties(map, frame);
    addPoints(map, "facilities", EMPTY, FACILITY);
    addPoints(map, "institutions", pointsOfCards(), ["case", [">", ["get", "free"], 0], FREE, FULL]);
    map.on("click", "institutions-points", (event) => choose(map, event.features[0].properties.id, false));
    map.on("click", "facilities-points", (event) => {
        const { name, note, address } = event.features[0].properties;
        popup(map, event.features[0].geometry.coordinates, name, address, note);
    });
    if (choices) {
        choices.addEventListener("change", () => showFacilities(map));
        form.elements.county.addEventListener("change", () => showFacilities(map));
        await showFacilities(map);
    }
    offerShowing(map);
    // For people who look into a fault, and for tests: how many points the map holds.
    frame.dataset.drawn = String(pointsOfCards().features.length);
};

let askedFacilities = 0;
const showFacilities = async (map) => {
    const toggle = choices.querySelector("[data-map-facilities]");
    const conditions = [...choices.querySelectorAll("select")];
    choices.querySelector("[data-map-conditions]").hidden = !toggle.checked;
    const number = ++askedFacilities;
    const filled = [...conditions, form.elements.county].filter((one) => one.value).map((one) => [one.name, one.value]);
    const address = `${frame.dataset.facilities}?${new URLSearchParams(filled)}`;
    const answer = toggle.checked ? await fetch(address, { headers: { Accept: "application/json" } }) : null;
    const found = answer && answer.ok ? await answer.json() : EMPTY;
    if (number === askedFacilities) {
        map.getSource("facilities").setData(found);
        choices.querySelector("[role=status]").textContent = toggle.checked ? `${found.features.length} 处有位置的设施` : "";
        frame.dataset.facilitiesDrawn = String(found.features.length);
    }
};

const offerShowing = (map) => {
    document.querySelectorAll("[data-show]").forEach((button) => {
        button.hidden = false;
        button.addEventListener("click", () => choose(map, button.dataset.show, true));
    });
};

let asked = 0;
const search = async (map) => {
    const filled = [...new FormData(form)].filter(([, value]) => value.trim() !== "");
    const address = `${form.getAttribute("action")}?${new URLSearchParams(filled)}`;
    const number = ++asked;
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) {
        window.location.assign(address);
        return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (number !== asked) {
        return;
    }
    document.getElementById("found").replaceWith(page.getElementById("found"));
    window.history.replaceState(null, "", address);
    const source = map && map.getSource("institutions");
    if (source) {
        const points = pointsOfCards();
        source.setData(points);
        offerShowing(map);
        frame.dataset.drawn = String(points.features.length);
    }
};

let map = null;
try {
    map = makeMap(frame, "机构地图");
    map.on("load", () => draw(map));
} catch {
    frame.hidden = true;
    document.querySelector("[data-map-missing]").hidden = false;
}
form.addEventListener("submit", (event) => {
    event.preventDefault();
    search(map);
});
form.addEventListener("change", () => search(map));
