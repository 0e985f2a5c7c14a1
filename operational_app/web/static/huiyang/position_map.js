/* The small map of a position's form: a tap fills longitude and latitude, the marker shows what they say. Nothing is
   saved until the form is; without WebGL, or without a pointer, the fields are enough. */
"use strict";

const frame = document.querySelector("[data-position-map]");
const fields = ["longitude", "latitude", "datum"].map((name) => document.getElementById(name));
const status = document.querySelector("[data-position-status]");
/* Streets only help where tiles show them; the county's outline always does. */
const CLOSE = frame.dataset.tiles ? 14 : 10.5;
/* CGCS2000 lies centimetres off; the others are converted by the server. */
const SHOWN_DATUMS = ["wgs84", "cgcs2000"];

const typed = () => {
    const [x, y] = fields.slice(0, 2).map((field) => Number.parseFloat(field.value));
    return Number.isFinite(x) && Number.isFinite(y) && Math.abs(x) <= 180 && Math.abs(y) <= 90 ? [x, y] : null;
};

const begin = () => {
    const map = makeMap(frame, "位置地图");
    const marker = new maplibregl.Marker({ color: "#c2410c" });
    const show = () => {
        const at = typed();
        const isShown = at !== null && SHOWN_DATUMS.includes(fields[2].value);
        if (isShown) {
            marker.setLngLat(at).addTo(map);
        } else {
            marker.remove();
        }
        frame.dataset.marked = isShown ? at.join(",") : "";
        status.textContent = at === null ? "还没有位置" : isShown ? "" : "所选坐标来源与地图不同，保存换算后再显示";
        return isShown ? at : null;
    };
    const put = ({ lng, lat }) => {
        fields[0].value = lng.toFixed(6);
        fields[1].value = lat.toFixed(6);
        fields[2].value = "wgs84";
        show();
        status.textContent = "已填入所点的位置，请核对后点“保存”。";
    };
    map.on("click", (event) => put(event.lngLat));
    document.querySelector("[data-position-centre]").addEventListener("click", () => put(map.getCenter()));
    fields.forEach((field) => field.addEventListener("change", () => {
        const at = show();
        if (at) {
            map.jumpTo({ center: at, zoom: Math.max(map.getZoom(), CLOSE) });
        }
    }));
    document.addEventListener("positioned", () => {
        const at = show();
        if (at) {
            map.jumpTo({ center: at, zoom: CLOSE });
        }
    });
    map.on("load", async () => {
        const counties = await drawCounties(map, frame);
        const own = counties.features.find((feature) => feature.properties.code === frame.dataset.county);
        const at = show();
        if (at) {
            map.jumpTo({ center: at, zoom: CLOSE });
        } else if (own) {
            const bounds = new maplibregl.LngLatBounds();
            own.geometry.coordinates.flat(own.geometry.type === "MultiPolygon" ? 2 : 1).forEach((point) => bounds.extend(point));
            map.fitBounds(bounds, { padding: 20, animate: false });
        }
        frame.dataset.ready = "1";
    });
};

frame.hidden = false;
try {
    begin();
    document.querySelector("[data-position-tools]").hidden = false;
} catch {
    frame.hidden = true;
}
